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
import { hasUserinfo } from '../component/secrettext.ts';
import { messageOf, OptionsError } from '../errors.ts';

/** A gRPC server outside the cluster: its address, our credentials, and the authorities that we trust. */
export interface Remote {
  /** host:port, with or without a scheme. */
  readonly url: string;
  /** True for plaintext. */
  readonly isPlain: boolean;
  /** PEM file of its certificate authorities; those of Node.js when empty. */
  readonly caFile: string;
  /** PEM files of our own certificate and key, if it asks for one. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** A remote with an address only. */
export const plainRemote = (url: string): Remote => ({
  url,
  isPlain: true,
  caFile: '',
  certFile: '',
  keyFile: '',
});

export const addressOf = ({ url }: Remote): string => url.replace(/^[a-z]+:\/\//, '').replace(/\/+$/, '');

/** The IP address in host:port, if it is one. */
const ipOf = (address: string): string | undefined => {
  const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return isIP(host) > 0 ? host : undefined;
};

/** TLS has no server name for an IP address; the certificate is still checked against the address. */
const NO_NAME = 'ip-address.invalid';

/** Channel options for the remote. */
export const remoteOptions = (o: Remote): ChannelOptions =>
  !o.isPlain && ipOf(addressOf(o)) ? { 'grpc.ssl_target_name_override': NO_NAME } : {};

/** Throws OptionsError where the settings contradict each other. */
export const checkRemote = ({ url, isPlain, caFile, certFile, keyFile }: Remote): void => {
  if (hasUserinfo(url))
    throw new OptionsError(
      'GRPC_URL holds a user or a password, which would be written into logs: set API_KEY instead',
    );
  if ((certFile === '') !== (keyFile === ''))
    throw new OptionsError('GRPC_CERT_FILE and GRPC_KEY_FILE belong together: set both or neither');
  if (isPlain && (caFile || certFile))
    throw new OptionsError(
      'GRPC_DISABLE_TLS is true, but GRPC_CA_FILE, GRPC_CERT_FILE and GRPC_KEY_FILE need TLS: unset one or the others',
    );
};

const pem = async (option: string, file: string): Promise<Buffer | null> => {
  if (file === '') return null;
  try {
    return await readFile(file);
  } catch (cause) {
    throw new Error(`${option} can't be read: ${messageOf(cause)}`, { cause });
  }
};

/**
 * Channel credentials from the files, read each time since a mounted Secret can change. Throws when one is unreadable or
 * unusable.
 */
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
    throw new Error(
      `GRPC_CA_FILE, GRPC_CERT_FILE or GRPC_KEY_FILE is not a usable PEM file: ${messageOf(cause)}`,
      {
        cause,
      },
    );
  }
};

/** Adds identifying metadata to each call. Call credentials would need TLS; this works without it, too. */
export const identify = (fields: Readonly<Record<string, string>>): Interceptor => {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(fields)) if (value) metadata.set(key, value);
  return (options, next) =>
    new InterceptingCall(next(options), {
      start: (sent, listener, start) => {
        sent.merge(metadata);
        start(sent, listener);
      },
    });
};

/** TLS errors of a failed connection, with advice for the user. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /self[- ]signed certificate|unable to (get|verify)|certificate signature failure/i,
    'its certificate is not issued by a trusted authority: set GRPC_CA_FILE to the PEM file of its authority',
  ],
  [
    /altnames|does not match certificate|hostname\/ip/i,
    'its certificate is for another name: set GRPC_URL to a host name in the certificate',
  ],
  [/certificate has expired/i, 'its certificate has expired: renew it on the server'],
  [/certificate is not yet valid/i, 'its certificate is not valid yet: check the clocks of both machines'],
  [
    /certificate required|alert number 116|handshake failure|bad certificate|unknown ca|alert number (40|42|48)/i,
    'it requires a client certificate that it trusts: set GRPC_CERT_FILE and GRPC_KEY_FILE',
  ],
  [
    /wrong version number|packet length too long|invalid http|Received HTTP\/1/i,
    'it does not speak TLS: set GRPC_DISABLE_TLS to true, or GRPC_URL to its TLS port',
  ],
  [
    /Last error: Failed to connect \(/,
    'it closes connections at once: check that it speaks gRPC, and that it trusts the client certificate in GRPC_CERT_FILE and GRPC_KEY_FILE',
  ],
];

/** The reason of a failed connection, with advice where there is one. */
export const explainRemote = (address: string, reason: string): string => {
  const advice = ADVICE.find(([pattern]) => pattern.test(reason))?.[1];
  return advice ? `${address}: ${advice} (${reason})` : reason;
};
