import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { Server, type ServerCredentials } from '@grpc/grpc-js';
import type { Registry } from 'prom-client';
import { Callers } from '../doors/callers.ts';
import { DOOR_LIMITS, type DoorLimits } from '../doors/limits.ts';
import { countRefusals } from '../doors/refusals.ts';
import { OptionsError } from '../errors.ts';

const MiB = 2 ** 20;

export interface GrpcLimits extends DoorLimits {
  /** Bytes of one message. */
  readonly messageBytes: number;
  /** Streams at once on one connection. */
  readonly streams: number;
  /** Streams on a connection on which nobody was authenticated yet, and milliseconds until somebody has to be. */
  readonly strangeStreams: number;
  readonly strangeMs: number;
}

/** A handful of components call, each over one connection with one stream. */
export const GRPC_LIMITS: GrpcLimits = {
  ...DOOR_LIMITS,
  connections: 256,
  messageBytes: 4 * MiB,
  streams: 16,
  strangeStreams: 32,
  strangeMs: 10_000,
};

/** Megabytes of one session's headers and queued data, beyond which it opens no streams. */
const SESSION_MB = 32;
const CLOSE_MS = 2_000;

export interface GrpcDoor {
  readonly server: Server;
  readonly callers: Callers;
  /** Serves; resolves to the port. Throws OptionsError when it is taken. */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

/**
 * The one way in which we serve gRPC: connections are admitted as at kube/doors/httpdoor.ts, and those on which nobody
 * authenticates are closed.
 */
export const createGrpcDoor = (o: {
  readonly name: string;
  readonly credentials: ServerCredentials;
  readonly limits?: Partial<GrpcLimits> | undefined;
  readonly metrics?: Registry | undefined;
}): GrpcDoor => {
  const limits = { ...GRPC_LIMITS, ...o.limits };
  const callers = new Callers({ limits, onRefusal: countRefusals(o) });
  const server = new Server({
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.max_receive_message_length': limits.messageBytes,
    'grpc.max_concurrent_streams': limits.streams,
    'grpc-node.max_session_memory': SESSION_MB,
    'grpc.enable_channelz': 0,
  });
  const injector = server.createConnectionInjector(o.credentials);
  const listener = createServer((socket) => {
    const connection = callers.of(socket);
    const timer = setTimeout(() => connection?.hasServed || socket.destroy(), limits.strangeMs);
    socket.once('close', () => clearTimeout(timer));
    injector.injectConnection(socket);
  });
  callers.guard(listener);
  const streams = new WeakMap<object, number>();
  // gRPC answers unknown methods by itself, so streams are counted below it.
  const count = (message: unknown): void => {
    const { session } = (message as { readonly stream: ServerHttp2Stream }).stream;
    const connection = session && callers.at(session.socket.remoteAddress, session.socket.remotePort);
    if (!session || !connection || connection.hasServed) return;
    const opened = (streams.get(session) ?? 0) + 1;
    streams.set(session, opened);
    if (opened <= limits.strangeStreams) return;
    callers.offend(connection);
    connection.cut();
  };
  subscribe('http2.server.stream.created', count);
  return {
    server,
    callers,
    listen: async (host, port) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      listener.once('error', (cause) =>
        reject(
          new OptionsError(
            `cannot serve ${o.name} on ${host}:${port}: ${cause.message}; choose another port`,
            {
              cause,
            },
          ),
        ),
      );
      listener.listen(port, host, resolve);
      await promise;
      return (listener.address() as AddressInfo).port;
    },
    close: async () => {
      unsubscribe('http2.server.stream.created', count);
      listener.close();
      const { promise, resolve } = Promise.withResolvers<void>();
      const force = setTimeout(() => {
        server.forceShutdown();
        resolve();
      }, CLOSE_MS);
      injector.destroy();
      server.tryShutdown(() => resolve());
      await promise;
      clearTimeout(force);
    },
  };
};
