import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER } from '../../api/labels.ts';
import { COMPILED } from '../ground/paths.ts';
import { kubeconfigOf } from '../support/account.ts';
import { kubeconfig } from './fixture.ts';

export interface Line {
  readonly msg?: string;
  readonly level?: string;
  readonly [field: string]: unknown;
}

/** The account that a component runs as when it is installed. */
const ACCOUNT_OF: Readonly<Record<string, string>> = {
  'kentroller/main.ts': KENTROLLER,
  'extender/main.ts': POD_PINNER,
  'webhook/main.ts': POD_PINNER_WEBHOOK,
  'webhook/keeper/main.ts': POD_PINNER_WEBHOOK_KEEPER,
};

/** A component of ours as a process, under the account of its scene. */
export class Component {
  readonly lines: Line[];
  readonly process: ChildProcess;

  /** `main` is the path from the repository's root. `lines` takes its log, also that of another component. */
  constructor(
    main: string,
    env: Readonly<Record<string, string>>,
    args: readonly string[] = [],
    lines: Line[] = [],
  ) {
    this.lines = lines;
    const account = { namespace: env.POD_NAMESPACE ?? '', name: ACCOUNT_OF[main] ?? '' };
    const path = fileURLToPath(new URL(`../../${main}`, import.meta.url));
    this.process = spawn(process.execPath, [path, ...args], {
      env: {
        PATH: process.env.PATH,
        KUBECONFIG: kubeconfigOf(kubeconfig, account) ?? kubeconfig,
        NODE_COMPILE_CACHE: COMPILED,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (this.process.stdout) {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        try {
          this.lines.push(JSON.parse(line) as Line);
        } catch {
          this.lines.push({ msg: line });
        }
      });
    }
  }

  said(msg: string, fields: Readonly<Record<string, unknown>> = {}): Line | undefined {
    return this.lines.find(
      (line) => line.msg === msg && Object.entries(fields).every(([key, value]) => line[key] === value),
    );
  }

  /** Ends the process and waits for its end; the exit code, or the signal's name. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    if (process.env.SHOW_LOGS)
      for (const line of this.lines) process.stderr.write(`${JSON.stringify(line)}\n`);
    const { exitCode, signalCode } = this.process;
    if (exitCode !== null || signalCode !== null) return exitCode ?? signalCode;
    const end = once(this.process, 'exit');
    this.process.kill(signal);
    const [code, by] = (await end) as [number | null, string | null];
    return code ?? by;
  }
}
