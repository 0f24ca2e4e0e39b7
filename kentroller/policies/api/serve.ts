import type { AddressInfo } from 'node:net';
import { followCertificate } from '../../../kube/doors/certificatefiles.ts';
import { OptionsError } from '../../../kube/errors.ts';
import { createPolicyServer, DEFAULT_CLUSTER, type PolicyServerOptions } from './server.ts';

export interface ServeOptions extends Omit<PolicyServerOptions, 'clusterId'> {
  readonly clusterId: string;
  /** 0 serves nothing. */
  readonly port: number;
  readonly host: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly signal: AbortSignal;
}

/** Serves the policies API, where a port is set for it. Throws OptionsError when it can't. */
export const servePolicies = async (
  o: ServeOptions,
): Promise<{ readonly port: number; close(): Promise<void> } | undefined> => {
  const { port, host, certFile, keyFile, clusterId, log, signal } = o;
  if (port === 0) return undefined;
  if (certFile === '' || keyFile === '')
    throw new OptionsError(
      'POLICIES_PORT needs a certificate, since callers send their tokens: set POLICIES_CERT_FILE and POLICIES_KEY_FILE',
    );
  const server = createPolicyServer({ ...o, clusterId: clusterId || DEFAULT_CLUSTER });
  const refused = (cause: unknown): never => {
    throw new OptionsError(`can't serve the policies on port ${port}: ${String(cause)}`, { cause });
  };
  const files = { certFile, keyFile, clientCaFile: '' };
  await followCertificate(server, files, { of: 'the policies API', signal, log }).catch(refused);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  await promise.catch(refused);
  log.info({ port }, 'policies are served');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
};
