import { isIP } from 'node:net';
import { generate } from 'selfsigned';
import { type KeyPair, SKEW_MS } from './x509.ts';

const DAY_MS = 86_400_000;
const KEY_TYPE = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

const validity = (now: number, days: number) => ({
  notBeforeDate: new Date(now - SKEW_MS),
  notAfterDate: new Date(now + days * DAY_MS),
});

/** Creates a certificate authority. The time in its name keeps two authorities apart. */
export const createAuthority = async (now: number, days: number): Promise<KeyPair> => {
  const generated = await generate(
    [{ name: 'commonName', value: `precision-packer webhook CA ${new Date(now).toISOString()}` }],
    {
      ...KEY_TYPE,
      ...validity(now, days),
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      ],
    },
  );
  return { cert: generated.cert, key: generated.private };
};

/** Issues a server certificate for DNS names and IP addresses. */
export const issueLeaf = async (
  authority: KeyPair,
  names: readonly string[],
  now: number,
  days: number,
): Promise<KeyPair> => {
  const generated = await generate([{ name: 'commonName', value: names[0] ?? 'webhook' }], {
    ...KEY_TYPE,
    ...validity(now, days),
    ca: authority,
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: names.map((name) => (isIP(name) ? { type: 7, ip: name } : { type: 2, value: name })),
      },
    ],
  });
  return { cert: generated.cert, key: generated.private };
};
