import type { X509Certificate } from 'node:crypto';
import { createPath, isRandomPath, LEGACY_PATH } from './path.ts';
import {
  isIssuedBy,
  isValidAt,
  type KeyPair,
  readCertificate,
  readCertificates,
  renewalTimeOf,
} from './x509.ts';

/** The certificate authority as its Secret holds it. */
export interface Authority {
  readonly current: KeyPair | undefined;
  /** The successor, which signs nothing until the caBundle with it has spread. */
  readonly next: KeyPair | undefined;
  /** Certificates of predecessors that signed leaves in use, PEM, concatenated. */
  readonly previous: string;
}

/** What all replicas serve: a certificate, and the paths of admission, the newest first. */
export interface Leaf extends KeyPair {
  readonly paths: readonly string[];
}

/** Everything that the next step of a rotation is decided from. */
export interface RotationState {
  readonly authority: Authority;
  readonly leaf: Leaf | undefined;
  /** The live caBundle, PEM; empty when there is none. */
  readonly bundle: string;
  /** The path that API servers call; empty when there is none. */
  readonly path: string;
  /** When this process first saw the live bundle as it should be, epoch milliseconds; undefined while it differs. */
  readonly bundleSince: number | undefined;
  /** When this process first saw the live path, epoch milliseconds. */
  readonly pathSince: number | undefined;
  /** When this process first saw the stored leaf, epoch milliseconds: its own clock, not that of the issuer. */
  readonly leafSince: number | undefined;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Names and waiting times of a rotation. */
export interface RotationPolicy {
  /** DNS names and IP addresses of the server. */
  readonly names: readonly string[];
  /** Milliseconds for a new bundle to reach every API server, before a leaf depends on it. */
  readonly settleMs: number;
  /** Milliseconds for a new leaf to reach every replica, before the previous authority is removed. */
  readonly retireMs: number;
}

/** One write, or a wait. After each write, every leaf in use is still trusted. */
export type RotationStep =
  | { readonly kind: 'create-authority'; readonly previous: string; readonly reason: string }
  | { readonly kind: 'create-next'; readonly reason: string }
  | {
      readonly kind: 'write-bundle';
      readonly bundle: string;
      readonly path: string;
      readonly reason: string;
    }
  | { readonly kind: 'promote-next'; readonly reason: string }
  | { readonly kind: 'issue-leaf'; readonly reason: string }
  | { readonly kind: 'remove-previous'; readonly reason: string }
  | { readonly kind: 'remove-path'; readonly reason: string }
  | { readonly kind: 'wait'; readonly until: number; readonly reason: string };

// Sorted, so that promoting an authority leaves the bundle as it is.
const joinPem = (certificates: readonly X509Certificate[]): string =>
  [...new Set(certificates.map((certificate) => certificate.toString()))].sort().join('');

/** The caBundle as it should be, PEM: every authority that signs, will sign, or signed a leaf in use. */
export const bundleOf = ({ current, next, previous }: Authority): string =>
  joinPem([current?.cert, next?.cert, previous].flatMap((text) => (text ? [...readCertificates(text)] : [])));

const hasNames = (leaf: X509Certificate, names: readonly string[]): boolean =>
  names.every((name) => leaf.checkHost(name, { subject: 'never' }) ?? leaf.checkIP(name));

const reissueReason = (
  state: RotationState,
  policy: RotationPolicy,
  authority: X509Certificate,
): string | undefined => {
  const leaf = readCertificate(state.leaf?.cert);
  if (!leaf) return 'there is no certificate';
  if (!isIssuedBy(leaf, authority)) return 'the certificate was issued by another authority';
  if (!hasNames(leaf, policy.names)) return 'the certificate lacks a name of the server';
  if (!isValidAt(leaf, state.now)) return 'the certificate is not valid now';
  if (state.now >= renewalTimeOf(leaf)) return "two thirds of the certificate's lifetime have passed";
  if (state.leaf?.paths[0] === LEGACY_PATH) return 'the path has no random part';
  return undefined;
};

/** The path that API servers should call: the newest, once every replica has had time to serve it. */
const wantedPath = ({ leaf, leafSince, path, now }: RotationState, { retireMs }: RotationPolicy): string => {
  const newest = leaf?.paths[0];
  if (newest === undefined) return path;
  const isServed = leaf?.paths.includes(path) ?? false;
  return isServed && now < (leafSince ?? now) + retireMs ? path : newest;
};

/** The paths of a new leaf: one of its own, and the one that API servers still call. */
export const renewPaths = (leaf: Leaf | undefined, livePath: string): readonly string[] =>
  leaf?.paths.includes(livePath) || isRandomPath(livePath) ? [createPath(), livePath] : [createPath()];

/** The end of a renewal: the previous path is served until no API server calls it any more. */
const decidePath = (state: RotationState, policy: RotationPolicy): RotationStep | undefined => {
  const { leaf, leafSince, path, pathSince, now } = state;
  if (!leaf || leaf.paths.length < 2) return undefined;
  const isCalled = path === leaf.paths[0];
  const until = ((isCalled ? pathSince : leafSince) ?? now) + policy.retireMs;
  if (now < until) {
    const reason = `the new path is spreading to the ${isCalled ? 'API servers' : 'replicas'}`;
    return { kind: 'wait', until, reason };
  }
  return { kind: 'remove-path', reason: 'the previous path is not called any more' };
};

/** Decides the next step of a rotation, see webhook/README.md. */
export const decideRotation = (state: RotationState, policy: RotationPolicy): RotationStep => {
  const { authority, now } = state;
  const current = readCertificate(authority.current?.cert);
  if (!current || !isValidAt(current, now)) {
    // Authorities in the live bundle keep leaves in use trusted.
    const previous = joinPem(readCertificates(state.bundle).filter((known) => isValidAt(known, now)));
    return {
      kind: 'create-authority',
      previous,
      reason: current ? 'the authority has expired' : 'there is no authority',
    };
  }
  if (!authority.next && now >= renewalTimeOf(current)) {
    return { kind: 'create-next', reason: "two thirds of the authority's lifetime have passed" };
  }
  const bundle = bundleOf(authority);
  const path = wantedPath(state, policy);
  if (state.bundle !== bundle || state.path !== path) {
    const what = state.bundle === bundle ? 'path' : 'caBundle';
    const reason = `the ${what} of the MutatingWebhookConfiguration differs`;
    return { kind: 'write-bundle', bundle, path, reason };
  }
  const settledAt = (state.bundleSince ?? now) + policy.settleMs;
  if (authority.next) {
    if (now < settledAt)
      return { kind: 'wait', until: settledAt, reason: 'the new caBundle is spreading to the API servers' };
    return { kind: 'promote-next', reason: 'the caBundle with the next authority has had time to spread' };
  }
  const reissue = reissueReason(state, policy, current);
  // Meanwhile, replicas serve a leaf of the previous authority, which every API server trusts already.
  if (reissue && authority.previous !== '' && now < settledAt) {
    return { kind: 'wait', until: settledAt, reason: 'the new caBundle is spreading to the API servers' };
  }
  if (reissue) return { kind: 'issue-leaf', reason: reissue };
  const leaf = readCertificate(state.leaf?.cert);
  if (authority.previous !== '') {
    const retiredAt = (state.leafSince ?? now) + policy.retireMs;
    if (now < retiredAt)
      return { kind: 'wait', until: retiredAt, reason: 'the new certificate is spreading to the replicas' };
    return { kind: 'remove-previous', reason: 'no certificate in use was issued by the previous authority' };
  }
  const renewal = decidePath(state, policy);
  if (renewal) return renewal;
  const until = Math.min(renewalTimeOf(current), leaf ? renewalTimeOf(leaf) : now);
  return { kind: 'wait', until, reason: 'everything is in order' };
};
