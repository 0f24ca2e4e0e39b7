import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Said } from './measure.ts';

type Of<K extends Said['kind']> = Extract<Said, { readonly kind: K }>;

/** A process under measurement. */
export class Subject {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, kubeconfig: string, flags: readonly string[] = []) {
    this.name = name;
    this.#child = spawn(process.execPath, [...flags, join(import.meta.dirname, `${name}.ts`), kubeconfig], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const { stdout } = this.#child;
    if (!stdout) throw new Error('the subject has no standard output');
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  tell(command: 'settle' | 'update' | 'report' | 'end'): void {
    this.#child.stdin?.write(`${command}\n`);
  }

  /** The next message; a failure, including the process's end, is one too. */
  async hear<K extends Said['kind']>(kind: K): Promise<Of<K> | Of<'failed'>> {
    const { value, done } = await this.#lines.next();
    if (done)
      return { kind: 'failed', reason: `ended with ${this.#child.signalCode ?? this.#child.exitCode}` };
    const said = JSON.parse(value) as Said;
    if (said.kind !== kind && said.kind !== 'failed')
      throw new Error(`${said.kind}, where ${kind} was to come`);
    return said as Of<K> | Of<'failed'>;
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#child.once('exit', () => resolve());
    this.tell('end');
    const timer = setTimeout(() => void this.#child.kill('SIGKILL'), 5000);
    await promise;
    clearTimeout(timer);
  }
}
