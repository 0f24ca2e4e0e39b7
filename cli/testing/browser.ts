import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../kube/testing/until.ts';

/** Names that Chromium and Chrome are installed under. */
const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
const START_MS = 30_000;
const CALL_MS = 30_000;

/** The program of a Chromium on this machine; undefined where there is none that starts. */
export const findChromium = (): string | undefined =>
  PROGRAMS.find((program) => {
    try {
      return /Chrom/.test(execFileSync(program, ['--version'], { encoding: 'utf8', stdio: 'pipe' }));
    } catch {
      return false;
    }
  });

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** A page of a headless Chromium, driven by the Chrome DevTools Protocol. */
export class Tab {
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, PromiseWithResolvers<unknown>>();
  readonly events: { readonly method: string; readonly params: unknown }[] = [];
  #last = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => this.#receive(JSON.parse(String(data))));
    socket.addEventListener('close', () => {
      for (const { reject } of this.#calls.values()) reject(new Error('Chromium closed the connection'));
    });
  }

  #receive({ id, method, params, result, error }: Message): void {
    if (method !== undefined) this.events.push({ method, params });
    const call = id === undefined ? undefined : this.#calls.get(id);
    if (!call || id === undefined) return;
    this.#calls.delete(id);
    if (error) call.reject(new Error(error.message));
    else call.resolve(result);
  }

  /** Calls a method of the protocol. */
  async call<T = Record<string, never>>(method: string, params: object = {}): Promise<T> {
    this.#last += 1;
    const call = Promise.withResolvers<unknown>();
    this.#calls.set(this.#last, call);
    this.#socket.send(JSON.stringify({ id: this.#last, method, params }));
    return (await call.promise) as T;
  }

  /** The value of an expression in the page. */
  async value<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.call<{
      readonly result: { readonly value: T };
      readonly exceptionDetails?: { readonly exception?: { readonly description?: string } };
    }>('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? expression);
    return result.value;
  }

  /** Opens an address and waits until the page and all that it loads are there. */
  async open(url: string): Promise<void> {
    const isLoad = ({ method }: { readonly method: string }): boolean => method === 'Page.loadEventFired';
    const before = this.events.filter(isLoad).length;
    await this.call('Page.navigate', { url });
    await until(`${url} is loaded`, () => this.events.filter(isLoad).length > before, {
      timeoutMs: CALL_MS,
      everyMs: 5,
    });
  }

  /** A screen of this size, light or dark, or paper. */
  async show(o: {
    readonly width: number;
    readonly height?: number;
    readonly scheme?: 'light' | 'dark';
    readonly media?: 'screen' | 'print';
  }): Promise<void> {
    const { width, height = 900, scheme = 'light', media = 'screen' } = o;
    const mobile = width < 700;
    await this.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });
    const features = [{ name: 'prefers-color-scheme', value: scheme }];
    await this.call('Emulation.setEmulatedMedia', { media, features });
  }

  /** Presses and releases a key, as a keyboard does. */
  async press(key: 'Tab' | 'Enter' | ' '): Promise<void> {
    const code = { Tab: 9, Enter: 13, ' ': 32 }[key];
    const event = {
      key,
      code: key === ' ' ? 'Space' : key,
      windowsVirtualKeyCode: code,
      ...(key !== 'Tab' && { text: key === 'Enter' ? '\r' : key }),
    };
    await this.call('Input.dispatchKeyEvent', { type: 'keyDown', ...event });
    await this.call('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
  }
}

/** A headless Chromium of its own, with one tab. */
export interface Browser {
  readonly tab: Tab;
  close(): Promise<void>;
}

const connectTo = async (address: string): Promise<WebSocket> => {
  const socket = new WebSocket(address);
  const opened = Promise.withResolvers<void>();
  socket.addEventListener('open', () => opened.resolve());
  socket.addEventListener('error', () => opened.reject(new Error(`${address} does not answer`)));
  await opened.promise;
  return socket;
};

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise((resolve) => child.once('exit', resolve));
};

/** Starts Chromium, which listens on loopback alone. */
export const startChromium = async (program: string): Promise<Browser> => {
  const folder = mkdtempSync(join(tmpdir(), 'chromium-'));
  const child = spawn(
    program,
    [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--hide-scrollbars',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      `--user-data-dir=${folder}`,
      '--remote-debugging-port=0',
      'about:blank',
    ],
    { stdio: 'ignore', detached: true },
  );
  const close = async (): Promise<void> => {
    // The program may be a script that starts another: the group is ended as a whole.
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    await ended(child);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  try {
    const address = await until(
      'Chromium listens',
      () => {
        if (child.exitCode !== null) throw new Error(`it ended with code ${child.exitCode}`);
        const [port, path] = readFileSync(join(folder, 'DevToolsActivePort'), 'utf8').split('\n');
        return path ? `ws://127.0.0.1:${port}${path}` : undefined;
      },
      { timeoutMs: START_MS, everyMs: 20 },
    );
    const socket = await connectTo(address);
    const root = new Tab(socket);
    const { targetId } = await root.call<{ targetId: string }>('Target.createTarget', { url: 'about:blank' });
    const page = await connectTo(address.replace(/\/devtools\/.*$/, `/devtools/page/${targetId}`));
    const tab = new Tab(page);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await tab.call(`${domain}.enable`);
    return {
      tab,
      close: async () => {
        page.close();
        socket.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
};
