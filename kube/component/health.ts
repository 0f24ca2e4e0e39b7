import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { FairQueue, type FairQueueOptions, waiterOf } from '../doors/fairqueue.ts';
import { HttpDoor } from '../doors/httpdoor.ts';
import type { DoorLimits } from '../doors/limits.ts';
import { OptionsError } from '../errors.ts';
import type { Logger } from './log.ts';

export interface HealthOptions {
  /** 0 for any free port. */
  readonly port: number;
  readonly host?: string;
  /** True when ready, otherwise the reason why not. */
  readonly ready: () => true | string;
  readonly registry: Registry;
  readonly log: Logger;
  readonly limits?: Partial<DoorLimits>;
  readonly pace?: Partial<FairQueueOptions>;
}

/** The kubelet and a few collectors of metrics. */
const CONNECTIONS = 64;
/**
 * The thread is that of admission and of plans, and anybody may ask here. Of 64 connections the last one has its turn
 * within a second; a probe of the kubelet has 2 s.
 */
const PACE: FairQueueOptions = { perSecond: 100, burst: 100, inFlight: 8, waiting: CONNECTIONS };
/** Probes of one address that are answered at once in a second; the kubelet asks once. Further ones wait in turn. */
const PROBES = 10;
/** Milliseconds for which one collection of the metrics serves everyone who asks. */
const COLLECTED_MS = 250;

/** The registry's text, collected once for all who ask at about the same time. */
const collectSeldom = (registry: Registry): (() => Promise<string>) => {
  let last: { readonly text: Promise<string>; readonly at: number } | undefined;
  return () => {
    const now = performance.now();
    if (!last || now - last.at >= COLLECTED_MS) last = { text: registry.metrics(), at: now };
    return last.text;
  };
};

/** Whether a probe is answered at once: strangers who ask for metrics never hold it up. */
const countProbes = (): ((address: string) => boolean) => {
  const counts = new Map<string, number>();
  let since = 0;
  return (address) => {
    const now = performance.now();
    if (now - since >= 1_000) {
      counts.clear();
      since = now;
    }
    const count = (counts.get(address) ?? 0) + 1;
    counts.set(address, count);
    return count <= PROBES;
  };
};

const listen = async (server: Server, port: number, host: string | undefined): Promise<number> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  try {
    await promise;
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'it is in use' : String(cause);
    throw new OptionsError(`cannot listen on port ${port}: ${why}; choose another`, { cause });
  }
  return (server.address() as AddressInfo).port;
};

/** Serves GET /healthz, /readyz and /metrics. Throws OptionsError when the port is taken. */
export const serveHealth = async (
  o: HealthOptions,
): Promise<{ close(): Promise<void>; readonly port: number }> => {
  const door = new HttpDoor({
    name: 'health',
    limits: { connections: CONNECTIONS, ...o.limits },
    metrics: o.registry,
  });
  const metrics = collectSeldom(o.registry);
  const queue = new FairQueue({ ...PACE, ...o.pace });
  const isPrompt = countProbes();
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = (status: number, type: string, body: string): void =>
      void response.writeHead(status, { 'content-type': type }).end(body);
    const path = request.url?.split('?', 1)[0];
    if (path === '/healthz') answer(200, 'text/plain', 'ok');
    else if (path === '/readyz') {
      const ready = o.ready();
      answer(ready === true ? 200 : 503, 'text/plain', ready === true ? 'ok' : ready);
    } else if (path === '/metrics') {
      try {
        answer(200, o.registry.contentType, await metrics());
      } catch (err) {
        o.log.error({ err }, 'cannot collect metrics');
        answer(500, 'text/plain', 'cannot collect metrics');
      }
    } else answer(404, 'text/plain', 'not found');
  };
  const server = door.plain((request, response) => {
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
    if (length !== '0' || encoding !== undefined) {
      response.writeHead(413, { 'content-type': 'text/plain' }).end('a request has no body here');
      return;
    }
    const waiter = waiterOf(request);
    const isProbe = request.url === '/healthz' || request.url === '/readyz';
    if (isProbe && isPrompt(waiter.address)) return void serve(request, response);
    const connection = door.callers.of(request.socket);
    const wait = (isWaiting: boolean): void => {
      if (connection) connection.isWaiting = isWaiting;
    };
    const work = (): Promise<void> => {
      wait(false);
      return serve(request, response);
    };
    wait(true);
    // Who is given up while waiting has left, was cut for a newcomer, or holds more connections than anybody else.
    queue.run(waiter, work, () => !response.destroyed).catch(() => response.destroy());
  });
  const port = await listen(server, o.port, o.host);
  return {
    port,
    close: async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      server.closeAllConnections();
      await promise;
    },
  };
};
