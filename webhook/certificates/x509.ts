import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { generate } from 'selfsigned';

/** A certificate and its private key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Backdating of certificates, for machines whose clocks are behind ours. */
const SKEW_MS = 3_600_000;

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

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates in a PEM text; unreadable ones are left out. */
export const readCertificates = (text: string): readonly X509Certificate[] =>
  (text.match(PEM) ?? []).flatMap((pem) => {
    try {
      return [new X509Certificate(pem)];
    } catch {
      return [];
    }
  });

export const readCertificate = (text: string | undefined): X509Certificate | undefined =>
  text === undefined ? undefined : readCertificates(text)[0];

export const isValidAt = (certificate: X509Certificate, now: number): boolean =>
  Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo);

/** The time to renew a certificate, at two thirds of its life, in milliseconds since the epoch. */
export const renewalTimeOf = (certificate: X509Certificate): number => {
  const from = Date.parse(certificate.validFrom) + SKEW_MS;
  return from + ((Date.parse(certificate.validTo) - from) * 2) / 3;
};

export const isIssuedBy = (certificate: X509Certificate, authority: X509Certificate): boolean =>
  certificate.checkIssued(authority) && certificate.verify(authority.publicKey);

/** True when a client with this CA bundle accepts the leaf now. */
export const isTrusted = (leaf: X509Certificate, bundle: string, now: number): boolean =>
  isValidAt(leaf, now) &&
  readCertificates(bundle).some((authority) => isValidAt(authority, now) && isIssuedBy(leaf, authority));
