import { X509Certificate } from 'node:crypto';

/** A certificate and its private key, PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** Backdating of certificates, for machines whose clocks are behind ours. */
export const SKEW_MS = 3_600_000;

/** Base64 between two lines; a text of many beginnings and no end costs one look at each. */
const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

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
