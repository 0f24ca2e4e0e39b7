import type { Node, NodeClaim } from '../../api/objects.ts';
import { isDrainable } from '../../api/pods.ts';
import type { Caches } from '../caches.ts';
import { coresBelow, coresThatStay } from '../policies/limits.ts';
import type { PolicyRecord } from '../policies/record.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import type { PolicyFacts } from './decide.ts';
import type { Ledger } from './ledger.ts';

/** What the autoscaling policies say of nodes: how long each has been empty, and what is told of those that stay. */
export interface NodePolicies {
  /** Whether the policy of empty nodes is in force. */
  readonly hasPolicy: () => boolean;
  /** Notes whether a node is empty, at each look at it. */
  see(node: Node, claim: NodeClaim): void;
  factsOf(node: Node, claim: NodeClaim): PolicyFacts;
  /** Tells why an empty node stays; without a reason, that it is not an empty one that stays. */
  stays(node: string, reason?: string): void;
  deleted(node: string): void;
  gone(claim: NodeClaim): void;
}

interface Options {
  readonly caches: Pick<Caches, 'nodes' | 'nodeClaims' | 'pods' | 'plans'>;
  readonly ledger: Ledger;
  readonly policies: () => PoliciesNow;
  readonly record?: PolicyRecord;
  readonly now: () => number;
}

export const createNodePolicies = (o: Options): NodePolicies => {
  const { caches, ledger, now } = o;
  /** When each node was first seen empty, by uid of its claim; a new process counts anew. */
  const since = new Map<string, number>();
  const staying = new Map<string, string>();

  const tell = (): void => {
    const [first] = [...staying].sort(([a], [b]) => (a < b ? -1 : 1));
    const message = first
      ? `${staying.size} empty nodes stay; node ${first[0]}: ${first[1]}`
      : 'no node is empty';
    o.record?.note('emptyNodes', 'Idle', message);
  };

  const limitFor = (minCores: number, claim: NodeClaim): string | undefined =>
    coresBelow(
      minCores,
      coresThatStay(caches, (other) => other.metadata.uid === claim.metadata.uid || ledger.isBegun(other)),
    );

  return {
    hasPolicy: () => {
      const read = o.policies();
      return read.known && read.policies.emptyNodes !== undefined;
    },
    see: (node, { metadata: { uid = '' } }) => {
      if (caches.pods.by('node', node.metadata.name).some(isDrainable)) since.delete(uid);
      else if (!since.has(uid)) since.set(uid, now());
    },
    factsOf: (_, claim) => {
      const read = o.policies();
      if (!read.known) return { unknown: read.message, isScoped: false, limit: () => undefined };
      const { emptyNodes, scopedMode, clusterLimits } = read.policies;
      const minCores = clusterLimits?.minCores ?? 0;
      const emptySince = since.get(claim.metadata.uid ?? '');
      return {
        ...(emptyNodes && { emptyForMs: emptyNodes.delayMs }),
        ...(emptySince !== undefined && { emptySince }),
        isScoped: scopedMode,
        limit: () => (minCores > 0 ? limitFor(minCores, claim) : undefined),
      };
    },
    stays: (node, reason) => {
      if (reason === undefined ? staying.delete(node) : staying.get(node) !== reason) {
        if (reason !== undefined) staying.set(node, reason);
        tell();
      }
    },
    deleted: (node) => {
      staying.delete(node);
      o.record?.did('emptyNodes', `deleted the NodeClaim of node ${node}, which was empty`);
      tell();
    },
    gone: ({ metadata: { uid = '' }, status }) => {
      since.delete(uid);
      if (staying.delete(status?.nodeName ?? '')) tell();
    },
  };
};
