import type { X509Certificate } from 'node:crypto';
import { isIssuedBy, isValidAt, type Pair, readCertificate, readCertificates, renewalOf } from './x509.ts';

/** What the Secret of the authority holds. */
export interface Authority {
  readonly current: Pair | undefined;
  /** Made and on its way into the bundle; signs nothing yet. */
  readonly next: Pair | undefined;
  /** Certificates that still vouch for leaves in use, PEM, possibly several. */
  readonly previous: string;
}

export interface Sight {
  readonly authority: Authority;
  readonly leaf: Pair | undefined;
  /** The live caBundle, PEM; empty when there is none. */
  readonly bundle: string;
  /** Since when the live bundle has been what it should be, as far as this process saw; undefined when it is not. */
  readonly bundleSince: number | undefined;
  /** Since when the stored leaf has been the one it is, as far as this process saw: clocks of others don't matter. */
  readonly leafSince: number | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

export interface Policy {
  /** DNS names and IP addresses of the server. */
  readonly names: readonly string[];
  /** How long a new bundle is left to reach every API server before a leaf depends on it, in milliseconds. */
  readonly settleMs: number;
  /** How long a new leaf is left to reach every replica before its predecessor's authority goes, in milliseconds. */
  readonly retireMs: number;
}

/** The next single write; each leaves a state in which every leaf in use is trusted. */
export type Step =
  | { readonly kind: 'make-authority'; readonly previous: string; readonly reason: string }
  | { readonly kind: 'make-next'; readonly reason: string }
  | { readonly kind: 'write-bundle'; readonly bundle: string; readonly reason: string }
  | { readonly kind: 'promote'; readonly reason: string }
  | { readonly kind: 'issue-leaf'; readonly reason: string }
  | { readonly kind: 'retire'; readonly reason: string }
  | { readonly kind: 'rest'; readonly until: number; readonly reason: string };

// Sorted, so that an authority that changes its part changes nothing here.
const textOf = (certificates: readonly X509Certificate[]): string =>
  [...new Set(certificates.map((certificate) => certificate.toString()))].sort().join('');

/** What the live caBundle should be: every authority that signs, will sign, or signed a leaf in use. */
export const bundleOf = ({ current, next, previous }: Authority): string =>
  textOf([current?.cert, next?.cert, previous].flatMap((text) => (text ? [...readCertificates(text)] : [])));

const hasNames = (leaf: X509Certificate, names: readonly string[]): boolean =>
  names.every((name) => leaf.checkHost(name, { subject: 'never' }) ?? leaf.checkIP(name));

const leafFault = (s: Sight, policy: Policy, authority: X509Certificate): string | undefined => {
  const leaf = readCertificate(s.leaf?.cert);
  if (!leaf) return 'there is no leaf';
  if (!isIssuedBy(leaf, authority)) return 'the leaf comes from another authority';
  if (!hasNames(leaf, policy.names)) return 'the leaf lacks a name of the server';
  if (!isValidAt(leaf, s.now)) return 'the leaf is not valid now';
  if (s.now >= renewalOf(leaf)) return 'two thirds of its life are over';
  return undefined;
};

/** Decides the next write of a rotation from what is stored and live. Nothing is remembered between two calls. */
export const decideRotation = (s: Sight, policy: Policy): Step => {
  const { authority, now } = s;
  const current = readCertificate(authority.current?.cert);
  if (!current || !isValidAt(current, now)) {
    // Leaves in use stay trusted by what the live bundle holds now.
    const previous = textOf(readCertificates(s.bundle).filter((known) => isValidAt(known, now)));
    return { kind: 'make-authority', previous, reason: current ? 'it has expired' : 'there is none' };
  }
  if (!authority.next && now >= renewalOf(current)) {
    return { kind: 'make-next', reason: 'two thirds of its life are over' };
  }
  const bundle = bundleOf(authority);
  if (s.bundle !== bundle) return { kind: 'write-bundle', bundle, reason: 'the live caBundle differs' };
  const settledAt = (s.bundleSince ?? now) + policy.settleMs;
  if (authority.next) {
    if (now < settledAt) return { kind: 'rest', until: settledAt, reason: 'the new bundle settles' };
    return { kind: 'promote', reason: 'the bundle with the next authority has settled' };
  }
  const fault = leafFault(s, policy, current);
  // Replicas serve a leaf of the previous authority meanwhile, and every API server trusts that one already.
  if (fault && authority.previous !== '' && now < settledAt) {
    return { kind: 'rest', until: settledAt, reason: 'the new bundle settles' };
  }
  if (fault) return { kind: 'issue-leaf', reason: fault };
  const leaf = readCertificate(s.leaf?.cert);
  if (authority.previous !== '') {
    const retiredAt = (s.leafSince ?? now) + policy.retireMs;
    if (now < retiredAt) return { kind: 'rest', until: retiredAt, reason: 'the new leaf spreads' };
    return { kind: 'retire', reason: 'no leaf in use comes from it' };
  }
  const until = Math.min(renewalOf(current), leaf ? renewalOf(leaf) : now);
  return { kind: 'rest', until, reason: 'everything is in order' };
};
