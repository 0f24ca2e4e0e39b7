import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS } from '../../e2e/ground/image/image.ts';

const TICKS_A_SECOND = 100;
const KILL_AFTER_MS = 10_000;

/** A process that a benchmark starts and ends. */
export class Child {
  readonly process: ChildProcess;
  readonly #lines: string[] = [];
  readonly #log: WriteStream | undefined;
  readonly #kill = (): void => void this.process.kill('SIGKILL');

  /** `logFile` gets all that it writes to standard output. */
  constructor(argv: readonly string[], env: Readonly<Record<string, string>> = {}, logFile?: string) {
    if (logFile !== undefined) this.#log = createWriteStream(logFile);
    const [command = '', ...args] = argv;
    this.process = spawn(command, args, {
      env: { PATH: process.env.PATH, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    // It ends with us, for any reason.
    process.once('exit', this.#kill);
    if (this.process.stdout)
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        if (this.#lines.push(line) > 1_000) this.#lines.shift();
        this.#log?.write(`${line}\n`);
      });
  }

  /**
   * A program of this repository, by its path from the root, run as the image runs it. PROFILE_DIR in the environment
   * takes CPU profiles and logs.
   */
  static ofOurs(path: string, env: Readonly<Record<string, string>>, args: readonly string[] = []): Child {
    const main = fileURLToPath(new URL(`../../${path}`, import.meta.url));
    const { PROFILE_DIR } = process.env;
    const profile = PROFILE_DIR ? ['--cpu-prof', `--cpu-prof-dir=${PROFILE_DIR}`] : [];
    const logFile = PROFILE_DIR && `${PROFILE_DIR}/${path.replaceAll('/', '-')}.log`;
    return new Child([process.execPath, ...NODE_FLAGS, ...profile, main, ...args], env, logFile);
  }

  /** Waits for a line that contains this text. Throws with the last lines when the process ends or time is up. */
  async said(text: string, timeoutMs = 60_000): Promise<string> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.#lines.find((line) => line.includes(text));
      if (found !== undefined) return found;
      if (this.process.exitCode !== null || Date.now() > deadline)
        throw new Error(`it did not say "${text}": ${this.#lines.slice(-5).join('\n')}`);
      await sleep(20);
    }
  }

  /** CPU seconds of all its threads so far. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.process.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
  }

  /** The most memory that it has held, in MiB. */
  peakMebibytes(): number {
    const status = readFileSync(`/proc/${this.process.pid}/status`, 'utf8');
    return Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? Number.NaN) / 1024);
  }

  async stop(): Promise<void> {
    const { process: child } = this;
    process.removeListener('exit', this.#kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const end = once(child, 'exit');
    child.kill('SIGTERM');
    const force = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
    await end;
    clearTimeout(force);
  }
}
