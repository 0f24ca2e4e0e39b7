import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  InterceptingCall,
  type Interceptor,
  Metadata,
} from '@grpc/grpc-js';
import { messageOf, OptionsError } from '../errors.ts';

/** A gRPC server outside the cluster, as users name it: where it is, whom it trusts, whom we trust. */
export interface Remote {
  /** host:port, with or without a scheme. */
  readonly url: string;
  /** Talk without TLS. */
  readonly isPlain: boolean;
  /** PEM file of the authorities that its certificate may be of; those that Node.js knows when empty. */
  readonly caFile: string;
  /** PEM files of our own certificate and its key, where it asks for one. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** Nothing but an address. */
export const plainRemote = (url: string): Remote => ({
  url,
  isPlain: true,
  caFile: '',
  certFile: '',
  keyFile: '',
});

export const addressOf = ({ url }: Remote): string => url.replace(/^[a-z]+:\/\//, '').replace(/\/+$/, '');

/** The IP address in host:port, where it is one. */
const ipOf = (address: string): string | undefined => {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return isIP(host) > 0 ? host : undefined;
};

/** An IP address is no name that TLS could ask for; the certificate is compared with the address all the same. */
const NO_NAME = 'ip-address.invalid';

/** Options of a channel to it. */
export const remoteOptions = (o: Remote): ChannelOptions =>
  !o.isPlain && ipOf(addressOf(o)) ? { 'grpc.ssl_target_name_override': NO_NAME } : {};

/** Throws OptionsError where the settings contradict each other. */
export const checkRemote = ({ isPlain, caFile, certFile, keyFile }: Remote): void => {
  if ((certFile === '') !== (keyFile === ''))
    throw new OptionsError('GRPC_CERT_FILE and GRPC_KEY_FILE belong together: set both or neither');
  if (isPlain && (caFile || certFile))
    throw new OptionsError(
      'GRPC_DISABLE_TLS is true: GRPC_CA_FILE, GRPC_CERT_FILE and GRPC_KEY_FILE need TLS',
    );
};

const pem = async (option: string, file: string): Promise<Buffer | null> => {
  if (file === '') return null;
  try {
    return await readFile(file);
  } catch (cause) {
    const said = messageOf(cause);
    throw new Error(`${option} can't be read: ${said}`, { cause });
  }
};

/** Reads the files anew each time: a mounted Secret changes while we run. Throws when one can't be read or used. */
export const remoteCredentials = async (o: Remote): Promise<ChannelCredentials> => {
  if (o.isPlain) return credentials.createInsecure();
  const [ca, cert, key] = await Promise.all([
    pem('GRPC_CA_FILE', o.caFile),
    pem('GRPC_CERT_FILE', o.certFile),
    pem('GRPC_KEY_FILE', o.keyFile),
  ]);
  try {
    const ip = ipOf(addressOf(o));
    const verify = ip
      ? { checkServerIdentity: (_: string, peer: PeerCertificate) => checkServerIdentity(ip, peer) }
      : {};
    return credentials.createSsl(ca, key, cert, verify);
  } catch (cause) {
    const said = messageOf(cause);
    throw new Error(
      `GRPC_CA_FILE, GRPC_CERT_FILE or GRPC_KEY_FILE is no PEM file that can be used: ${said}`,
      {
        cause,
      },
    );
  }
};

/** Says who we are with each call. Call credentials would need TLS; this works without it, too. */
export const identify = (said: Readonly<Record<string, string>>): Interceptor => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(said)) if (value) metadata.set(key, value);
  return (options, next) =>
    new InterceptingCall(next(options), {
      start: (sent, listener, start) => {
        sent.merge(metadata);
        start(sent, listener);
      },
    });
};

/** What TLS says of a connection that failed, and what a user can do about it. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /self[- ]signed certificate|unable to (get|verify)|certificate signature failure/i,
    'its certificate is of no authority that is trusted here: name the PEM file of its authority in GRPC_CA_FILE',
  ],
  [
    /altnames|does not match certificate|hostname\/ip/i,
    'its certificate is for another name: GRPC_URL has to name the host as its certificate does',
  ],
  [/certificate has expired/i, 'its certificate has expired: it has to be renewed there'],
  [/certificate is not yet valid/i, 'its certificate is not valid yet: compare the clocks of both sides'],
  [
    /certificate required|alert number 116|handshake failure|bad certificate|unknown ca|alert number (40|42|48)/i,
    'it takes no client without a certificate that it trusts: GRPC_CERT_FILE and GRPC_KEY_FILE have to name one',
  ],
  [
    /wrong version number|packet length too long|invalid http|Received HTTP\/1/i,
    'it does not speak TLS there: set GRPC_DISABLE_TLS to true, or GRPC_URL to its TLS port',
  ],
  [
    /Last error: Failed to connect \(/,
    'it ends connections as soon as they are made, as a server does that does not trust the certificate of its client: look at GRPC_CERT_FILE and GRPC_KEY_FILE, or whether it speaks gRPC there',
  ],
];

/** The reason of a failed connection, with what to do where that is known. */
export const explainRemote = (address: string, said: string): string => {
  const advice = ADVICE.find(([pattern]) => pattern.test(said))?.[1];
  return advice ? `${address}: ${advice} (${said})` : said;
};
