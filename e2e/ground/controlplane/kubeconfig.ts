import { writeFileSync } from 'node:fs';
import type { Identity } from './pki.ts';

/** Writes a self-contained kubeconfig, so that a copy of it works as well. */
export function writeKubeconfig(path: string, server: string, ca: Identity, client: Identity): void {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'ground', cluster: { server, 'certificate-authority-data': base64(ca.certificate) } }],
    users: [
      {
        name: 'ground',
        user: {
          'client-certificate-data': base64(client.certificate),
          'client-key-data': base64(client.key),
        },
      },
    ],
    contexts: [{ name: 'ground', context: { cluster: 'ground', user: 'ground' } }],
    'current-context': 'ground',
  };
  writeFileSync(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 });
}
