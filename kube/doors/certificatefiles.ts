import { readFile } from 'node:fs/promises';
import type { Server } from 'node:https';
import type { Logger } from '../component/log.ts';
import { messageOf } from '../errors.ts';

/** PEM files of a server's certificate. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities of client certificates; empty when any caller is answered. */
  readonly clientCaFile: string;
}

/** How often the files are read again: a Secret that is mounted changes in place. */
const RELOAD_MS = 60_000;

const read = async ({ certFile, keyFile, clientCaFile }: CertificateFiles) => {
  const [cert, key, ca] = await Promise.all(
    [certFile, keyFile, clientCaFile].map((file) => (file === '' ? '' : readFile(file, 'utf8'))),
  );
  return { cert: cert ?? '', key: key ?? '', ca: ca ?? '' };
};

/** Serves the certificate of these files, and follows them until the signal aborts. Throws when they can't be read. */
export const followCertificate = async (
  server: Server,
  files: CertificateFiles,
  o: {
    /** What it is the certificate of, for the log. */
    readonly of: string;
    readonly signal: AbortSignal;
    readonly log: Logger;
    readonly everyMs?: number;
  },
): Promise<void> => {
  let served = '';
  const load = async (): Promise<void> => {
    const { cert, key, ca } = await read(files);
    const text = [cert, key, ca].join('\n');
    if (text === served) return;
    server.setSecureContext({ cert, key, ...(ca !== '' && { ca }), minVersion: 'TLSv1.2' });
    if (served !== '') o.log.info(`certificate of ${o.of} loaded`);
    served = text;
  };
  await load();
  const timer = setInterval(() => {
    // The certificate in use stays until the files are whole again.
    load().catch((error: unknown) =>
      o.log.warn({ reason: messageOf(error) }, `can't load the certificate of ${o.of}`),
    );
  }, o.everyMs ?? RELOAD_MS).unref();
  o.signal.addEventListener('abort', () => clearInterval(timer), { once: true });
};
