import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
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
}

/** The kubelet and a few collectors of metrics. */
const CONNECTIONS = 64;
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
  const server = door.plain((request, response) => {
    const answer = (status: number, type: string, body: string): void =>
      void response.writeHead(status, { 'content-type': type }).end(body);
    const path = request.url?.split('?', 1)[0];
    const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
    if (length !== '0' || encoding !== undefined) {
      answer(413, 'text/plain', 'a request has no body here');
      return;
    }
    if (path === '/healthz') answer(200, 'text/plain', 'ok');
    else if (path === '/readyz') {
      const ready = o.ready();
      answer(ready === true ? 200 : 503, 'text/plain', ready === true ? 'ok' : ready);
    } else if (path === '/metrics')
      metrics().then(
        (text) => answer(200, o.registry.contentType, text),
        (err: unknown) => {
          o.log.error({ err }, 'cannot collect metrics');
          answer(500, 'text/plain', 'cannot collect metrics');
        },
      );
    else answer(404, 'text/plain', 'not found');
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
