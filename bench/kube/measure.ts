import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 5;

/** A subject's messages on standard output, one JSON line each. */
export type Said =
  | {
      readonly kind: 'synced';
      readonly objects: number;
      readonly seconds: number;
      readonly rssMB: number;
      readonly peakMB: number;
    }
  | { readonly kind: 'settled'; readonly rssMB: number; readonly cpuPercent: number }
  | {
      readonly kind: 'updated';
      readonly events: number;
      readonly p50: number;
      readonly p99: number;
      readonly stallP99: number;
      readonly cpuPercent: number;
    }
  | { readonly kind: 'failed'; readonly reason: string };

export const say = (said: Said): void => void process.stdout.write(`${JSON.stringify(said)}\n`);

export const rssMB = (): number => process.memoryUsage.rss() / 1e6;

const percentile = (sorted: readonly number[], p: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? Number.NaN;

/** Measures one process that keeps a copy of the cluster; its driver commands it over standard input. */
export class Measure {
  #peak = 0;
  readonly #started = performance.now();
  readonly #latencies: number[] = [];
  readonly #stalls = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #sampler = setInterval(() => {
    this.#peak = Math.max(this.#peak, rssMB());
  }, 50);
  #cpu = process.cpuUsage();
  #cpuAt = performance.now();
  #isUpdating = false;

  #cpuPercent(): number {
    const used = process.cpuUsage(this.#cpu);
    const percent = (used.user + used.system) / 10 / (performance.now() - this.#cpuAt);
    this.#cpu = process.cpuUsage();
    this.#cpuAt = performance.now();
    return percent;
  }

  /** Records a change that arrives, with the moment at which it was written. */
  changed(writtenAt: string | undefined): void {
    if (writtenAt && this.#isUpdating)
      this.#latencies.push(performance.timeOrigin + performance.now() - Number(writtenAt));
  }

  synced(objects: number): void {
    const seconds = (performance.now() - this.#started) / 1000;
    say({ kind: 'synced', objects, seconds, rssMB: rssMB(), peakMB: Math.max(this.#peak, rssMB()) });
    this.#cpuPercent();
    process.stdin.setEncoding('utf8').on('data', (text: string) => {
      for (const command of text.split('\n')) this.#obey(command);
    });
  }

  #obey(command: string): void {
    if (command === 'settle') say({ kind: 'settled', rssMB: rssMB(), cpuPercent: this.#cpuPercent() });
    if (command === 'update') {
      this.#isUpdating = true;
      this.#cpuPercent();
      this.#stalls.enable();
    }
    if (command === 'report') {
      const sorted = this.#latencies.sort((a, b) => a - b);
      say({
        kind: 'updated',
        events: sorted.length,
        p50: percentile(sorted, 50),
        p99: percentile(sorted, 99),
        stallP99: Math.max(0, this.#stalls.percentile(99) / 1e6 - RESOLUTION_MS),
        cpuPercent: this.#cpuPercent(),
      });
    }
    if (command === 'end') {
      clearInterval(this.#sampler);
      process.exit(0);
    }
  }
}
