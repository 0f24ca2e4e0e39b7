import { once } from 'node:events';
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
