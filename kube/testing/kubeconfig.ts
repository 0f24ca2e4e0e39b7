import { readFileSync, writeFileSync } from 'node:fs';
import { readKubeconfig } from '../client/kubeconfig.ts';
import type { Upstream } from './apiproxy.ts';

const bytes = (data: string | undefined, file: string | undefined): Buffer =>
  data ? Buffer.from(data, 'base64') : readFileSync(file ?? '');

/** The server and the certificates of a kubeconfig. */
export const upstreamOf = (kubeconfig: string): Upstream => {
  const { cluster, user } = readKubeconfig(kubeconfig);
  return {
    server: cluster.server,
    ca: bytes(cluster.caData, cluster.caFile),
    cert: bytes(user.certData, user.certFile),
    key: bytes(user.keyData, user.keyFile),
  };
};

/** Writes a kubeconfig for a server other than the one that the certificates were made for, such as a proxy. */
export const writeKubeconfig = (
  path: string,
  o: {
    readonly server: string;
    readonly ca: string | Buffer;
    readonly cert?: Buffer;
    readonly key?: Buffer;
    readonly token?: string;
    readonly tlsServerName?: string;
  },
): string => {
  const base64 = (pem: string | Buffer): string => Buffer.from(pem).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'c',
        cluster: {
          server: o.server,
          'certificate-authority-data': base64(o.ca),
          ...(o.tlsServerName && { 'tls-server-name': o.tlsServerName }),
        },
      },
    ],
    users: [
      {
        name: 'u',
        user: {
          ...(o.cert && { 'client-certificate-data': base64(o.cert) }),
          ...(o.key && { 'client-key-data': base64(o.key) }),
          ...(o.token && { token: o.token }),
        },
      },
    ],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
};
