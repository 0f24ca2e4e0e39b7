import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { generate } from 'selfsigned';

/** A certificate and its key, PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Certificates are dated back by this much, for machines whose clocks are behind ours. */
export const SKEW_MS = 3_600_000;

const DAY_MS = 86_400_000;
const KEY = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;

const validity = (now: number, days: number) => ({
  notBeforeDate: new Date(now - SKEW_MS),
  notAfterDate: new Date(now + days * DAY_MS),
});

/** A new authority of our own. Its name carries its time, so that two of them are never mistaken for each other. */
export const makeAuthority = async (now: number, days: number): Promise<Pair> => {
  const made = await generate(
    [{ name: 'commonName', value: `precision-packer webhook CA ${new Date(now).toISOString()}` }],
    {
      ...KEY,
      ...validity(now, days),
      extensions: [
        { name: 'basicConstraints', cA: true, critical: true },
        { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      ],
    },
  );
  return { cert: made.cert, key: made.private };
};

/** A certificate for a server under these names, DNS names or IP addresses, signed by the authority. */
export const makeLeaf = async (
  authority: Pair,
  names: readonly string[],
  now: number,
  days: number,
): Promise<Pair> => {
  const made = await generate([{ name: 'commonName', value: names[0] ?? 'webhook' }], {
    ...KEY,
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
  return { cert: made.cert, key: made.private };
};

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** The certificates in a text; what can't be read is left out. */
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

/** When a certificate is to be replaced: at two thirds of its life. */
export const renewalOf = (certificate: X509Certificate): number => {
  const from = Date.parse(certificate.validFrom) + SKEW_MS;
  return from + ((Date.parse(certificate.validTo) - from) * 2) / 3;
};

export const isIssuedBy = (certificate: X509Certificate, authority: X509Certificate): boolean =>
  certificate.checkIssued(authority) && certificate.verify(authority.publicKey);

/** Whether a client that trusts this bundle takes the leaf now. */
export const isTrusted = (leaf: X509Certificate, bundle: string, now: number): boolean =>
  isValidAt(leaf, now) &&
  readCertificates(bundle).some((authority) => isValidAt(authority, now) && isIssuedBy(leaf, authority));
