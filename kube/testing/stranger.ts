import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectPlain, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectSecure } from 'node:tls';

/** A connection of somebody who need not keep to any protocol. */
export interface Stranger {
  readonly socket: Socket;
  /** Resolves to all that was answered, once the connection has ended. */
  readonly ended: Promise<string>;
  write(text: string | Uint8Array): void;
}

export interface Place {
  readonly port: number;
  /** True for TLS; the certificate is not checked. */
  readonly isSecure?: boolean;
  /** The address that the stranger comes from, on loopback. */
  readonly from?: string;
}

/** An address of loopback that no honest caller of a test has. */
export const STRANGE_ADDRESS = '127.0.0.2';

/** Milliseconds after which a connection that was not reset at once is taken to be let in. */
const RESET_MS = 2;

/** A TCP connection, which may be closed already. */
const dial = async ({ port, from = STRANGE_ADDRESS }: Place): Promise<Socket> => {
  const raw = connectPlain({ host: '127.0.0.1', port, localAddress: from });
  raw.on('error', () => {});
  const closed = new Promise<void>((resolve) => raw.once('close', () => resolve()));
  await Promise.race([new Promise<void>((resolve) => raw.once('connect', () => resolve())), closed]);
  // A handshake with a server that hangs up costs more than it takes to see it.
  await Promise.race([sleep(RESET_MS), closed]);
  return raw;
};

/** Connects; resolves when bytes can be sent, or the connection has ended. */
export const connectStranger = async (place: Place): Promise<Stranger> => {
  const raw = await dial(place);
  const isSecure = place.isSecure === true && !raw.destroyed;
  const socket = isSecure ? connectSecure({ socket: raw, rejectUnauthorized: false }) : raw;
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  const end = (): void => resolve(Buffer.concat(chunks).toString('utf8'));
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  socket.once('close', end);
  if (raw.destroyed) end();
  if (isSecure) {
    const { promise: secured, resolve: secure } = Promise.withResolvers<void>();
    socket.once('secureConnect', secure);
    await Promise.race([secured, ended]);
  }
  return {
    socket,
    ended,
    write: (text) => {
      if (!socket.destroyed) socket.write(text);
    },
  };
};

/** The head of a request with a JSON body of this length; `more` is further header lines, each with its end. */
export const headOf = (path: string, length: number, method = 'POST', more = ''): string =>
  `${method} ${path} HTTP/1.1\r\nhost: x\r\n${more}content-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

/** The status of an answer as it was received; undefined for none. */
export const statusOf = (answer: string): number | undefined => {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
  return status === undefined ? undefined : Number(status);
};

/** A stranger who speaks HTTP/2 over TLS, as gRPC does; undefined when it is turned away. */
export const openStrangeSession = async (place: Place): Promise<ClientHttp2Session | undefined> => {
  const raw = await dial(place);
  if (raw.destroyed) return undefined;
  const socket = connectSecure({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  const session = connectHttp2(`https://127.0.0.1:${place.port}`, { createConnection: () => socket });
  session.on('error', () => {});
  const { promise, resolve } = Promise.withResolvers<void>();
  session.once('connect', () => resolve()).once('close', resolve);
  await promise;
  return session;
};

/** One call of a stranger; resolves to its gRPC status when it has ended, undefined if the connection was cut. */
export const callStrangely = async (
  session: ClientHttp2Session | undefined,
  path: string,
  token: string,
): Promise<number | undefined> => {
  if (!session || session.closed || session.destroyed) return undefined;
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
  });
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const note = (headers: IncomingHttpHeaders): void => {
    const status = headers['grpc-status'];
    if (status === undefined) return;
    resolve(Number(status));
    stream.close();
  };
  stream
    .on('response', note)
    .on('trailers', note)
    .on('error', () => {});
  stream.once('close', () => resolve(undefined));
  stream.resume();
  return promise;
};
