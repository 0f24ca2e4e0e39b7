import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:https';
import { TLSSocket } from 'node:tls';
import type { Logger } from '../../kube/component/log.ts';
import { type CertificateFiles, followCertificate } from '../../kube/doors/certificatefiles.ts';
import { OptionsError } from '../../kube/errors.ts';

/**
 * TLS of the verbs. kube-scheduler has two ways to show who it is, both in the extender's tlsConfig: no certificate, or
 * a client certificate; it sends no token. See docs/designs/0025-doors.md.
 */

/** How the verbs are served over TLS. */
export interface VerbTls {
  readonly files: CertificateFiles;
  /** Users whose client certificates are accepted; undefined when any caller is answered. */
  readonly callers: readonly string[] | undefined;
}

/** TLS as the options say; undefined for plain HTTP. Throws OptionsError where they contradict each other. */
export const verbTlsOf = (o: {
  readonly verbsCertFile: string;
  readonly verbsKeyFile: string;
  readonly verbsClientCaFile: string;
  readonly verbsClientNames: readonly string[];
}): VerbTls | undefined => {
  const { verbsCertFile: certFile, verbsKeyFile: keyFile, verbsClientCaFile: clientCaFile } = o;
  if ((certFile === '') !== (keyFile === ''))
    throw new OptionsError('VERBS_CERT_FILE and VERBS_KEY_FILE belong together: set both or neither');
  if (clientCaFile !== '' && certFile === '')
    throw new OptionsError(
      'VERBS_CLIENT_CA_FILE needs TLS: set VERBS_CERT_FILE and VERBS_KEY_FILE too, or leave it out',
    );
  if (certFile === '') return undefined;
  return {
    files: { certFile, keyFile, clientCaFile },
    callers: clientCaFile === '' ? undefined : o.verbsClientNames,
  };
};

/** Serves the certificate of these files, and follows them until the signal aborts. Throws when they can't be read. */
export const followVerbFiles = (
  server: Server,
  files: CertificateFiles,
  o: { readonly signal: AbortSignal; readonly log: Logger; readonly everyMs?: number },
): Promise<void> => followCertificate(server, files, { ...o, of: 'the extender verbs' });

/** Why a caller is not answered: its certificate, which TLS has verified, names none of these users. */
export const callerRefusal = (
  { socket }: Pick<IncomingMessage, 'socket'>,
  names: readonly string[],
): string | undefined => {
  const name =
    socket instanceof TLSSocket && socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
  if (typeof name === 'string' && names.includes(name)) return undefined;
  const who = name === undefined ? 'a caller without a certificate' : `the user ${String(name)}`;
  return `${who} may not call the extender: VERBS_CLIENT_NAMES has who may`;
};
