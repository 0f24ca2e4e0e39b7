import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** A process's memory and CPU, from /proc/PID/status and /proc/PID/stat. */
export interface Account {
  readonly rssMB: number;
  readonly peakMB: number;
  /** Since its start, user and system. */
  readonly cpuSeconds: number;
}

export const accountFrom = (status: string, stat: string): Account => {
  const megabytes = (field: string): number =>
    (Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024) / 1e6;
  // The name in parentheses may contain blanks; the fields after it do not.
  const fields = stat.slice(stat.lastIndexOf(') ') + 2).split(' ');
  return {
    rssMB: megabytes('VmRSS'),
    peakMB: megabytes('VmHWM'),
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
  };
};

export const accountOf = (pid: number): Account =>
  accountFrom(readFileSync(`/proc/${pid}/status`, 'utf8'), readFileSync(`/proc/${pid}/stat`, 'utf8'));
