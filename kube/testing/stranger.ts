import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectPlain, type Socket } from 'node:net';
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

/** Connects; resolves when bytes can be sent. */
export const connectStranger = async ({
  port,
  isSecure = false,
  from = STRANGE_ADDRESS,
}: Place): Promise<Stranger> => {
  const raw = connectPlain({ host: '127.0.0.1', port, localAddress: from });
  const socket = isSecure ? connectSecure({ socket: raw, rejectUnauthorized: false }) : raw;
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => {});
  raw.on('error', () => {});
  socket.once('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
  await Promise.race([once(socket, isSecure ? 'secureConnect' : 'connect'), ended]);
  return { socket, ended, write: (text) => void socket.write(text) };
};

/** The head of a POST with a JSON body of this length. */
export const headOf = (path: string, length: number): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

/** The status of an answer as it was received; undefined for none. */
export const statusOf = (answer: string): number | undefined => {
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1];
  return status === undefined ? undefined : Number(status);
};

/** A stranger who speaks HTTP/2 over TLS, as gRPC does; the session is closed by its caller. */
export const openStrangeSession = async ({
  port,
  from = STRANGE_ADDRESS,
}: Place): Promise<ClientHttp2Session> => {
  const raw = connectPlain({ host: '127.0.0.1', port, localAddress: from });
  raw.on('error', () => {});
  const socket = connectSecure({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  const session = connectHttp2(`https://127.0.0.1:${port}`, { createConnection: () => socket });
  session.on('error', () => {});
  const closed = new Promise<void>((resolve) => session.once('close', resolve));
  await Promise.race([new Promise((resolve) => session.once('connect', resolve)), closed]);
  return session;
};

/** One call of a stranger; resolves to its gRPC status when it has ended, undefined if the connection was cut. */
export const callStrangely = async (
  session: ClientHttp2Session,
  path: string,
  token: string,
): Promise<number | undefined> => {
  if (session.closed || session.destroyed) return undefined;
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
