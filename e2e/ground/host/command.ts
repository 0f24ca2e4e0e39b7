import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  /** Milliseconds until the command is killed. */
  readonly timeoutMs?: number;
}

export class CommandError extends Error {
  readonly code: number | undefined;
  readonly stderr: string;
  readonly stdout: string;

  constructor(
    argv: readonly string[],
    code: number | undefined,
    { stderr, stdout }: { readonly stderr: string; readonly stdout: string },
  ) {
    super(`${argv.join(' ')} ended with ${code ?? 'a signal'}: ${stderr.trim() || 'no message'}`);
    this.name = 'CommandError';
    this.code = code;
    this.stderr = stderr;
    this.stdout = stdout;
  }
}

/** PATH with the folders of Debian's network tools, which not every PATH has. */
export function searchPath(): string {
  return `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;
}

/** Runs a command to its end and returns its stdout. Throws CommandError when its exit code is not 0. */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const [command = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: { ...process.env, PATH: searchPath(), ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.timeoutMs === undefined
        ? {}
        : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A command that never reads its input closes the pipe; its exit code says enough.
    child.stdin.on('error', () => {});
    child.on('error', (cause) => reject(new Error(`${command} can't be run: ${cause.message}`, { cause })));
    child.on('close', (code) => {
      const [out, err] = [stdout, stderr].map((chunks) => Buffer.concat(chunks).toString());
      if (code === 0) resolve(out ?? '');
      else reject(new CommandError(argv, code ?? undefined, { stderr: err ?? '', stdout: out ?? '' }));
    });
    child.stdin.end(options.input ?? '');
  });
}
