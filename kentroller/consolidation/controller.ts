import { isDeepStrictEqual } from 'node:util';
import type { Registry } from 'prom-client';
import { SELECTED_NODE } from '../../api/labels.ts';
import type { ConfigMap, Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { NODES } from '../../api/resources.ts';
import type { Cache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import {
  type Action,
  awaitChange,
  type Controller,
  requeue,
  watches,
} from '../../kube/controller/controller.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { isConflict, isNotFound, messageOf } from '../../kube/errors.ts';
import { type Caches, CLOSED_FOR_REMOVAL, claimOf, nodeOf } from '../caches.ts';
import { type BufferPods, readBufferPods } from '../capacitybuffers/pods.ts';
import { isMarked } from '../policies/limits.ts';
import type { PolicyRecord } from '../policies/record.ts';
import { policiesNow } from '../policies/settings.ts';
import type { LivePolicies } from '../policies/watch.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import { type Decision, decide, type NodeFacts, removalTaintOf } from './decide.ts';
import { cachedFacts, freshFacts, type Sources } from './gather.ts';
import { Ledger } from './ledger.ts';
import { countersOf } from './metrics.ts';
import { createNodePolicies } from './nodepolicies.ts';
import { expiryOf, pathOf } from './path.ts';
import { createPoolCounts, poolNameOf } from './poolcounts.ts';
import { Turns } from './turns.ts';
import { closeNode, deleteClaim, freeClaim, markClaim, openNode, type Writer } from './writes.ts';

/** The name that users search the log for. */
export const NAME = 'empty-node-deleter';
/** From the taint to the last look: a scheduler that had not seen it has bound its pods by then. */
export const SETTLE_MS = 5_000;
/** Time for which CapacityBuffers are believed in first decisions; the last look reads them anew. */
const BUFFERS_MS = 10_000;
/** What is known of CapacityBuffers before they are read. */
const UNREAD: BufferPods = { pods: [], problem: 'CapacityBuffers are not read yet' };
/** Time for which a node that was kept after all is left alone. */
const REST_MS = 30_000;
/** Delay until a node is looked at again that changed while it was. */
const AGAIN_MS = 500;
/** Timers are 31 bits wide, so a longer wait is split. */
const MAX_SLEEP_MS = 3_600_000;
/** Changes of pods on a node come in bursts, and only the last one can have emptied it. */
const PODS_GATHER_MS = 200;

/** Reasons that say that a node is not empty, or about to be used. */
const IN_USE: ReadonlySet<string> = new Set(['NodeNotEmpty', 'NodeNominated', 'VolumeBinding', 'NodeInUse']);
const NO_POLICIES = policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {});

const REASONS = {
  expired: 'its expireAfter has elapsed',
  evicted: 'the evictor has emptied it',
  empty: 'it is empty',
} as const;

export interface ConsolidationOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  /** Caches of the ConfigMaps that turn the feature on and off. */
  readonly configMaps: readonly Cache<ConfigMap>[];
  readonly isEnabled: () => boolean;
  /** The autoscaling policies; none where left out. */
  readonly policies?: Pick<LivePolicies, 'now' | 'cache'>;
  readonly policyRecord?: PolicyRecord;
  readonly settleMs?: number;
  readonly schedulers?: readonly string[];
  /** Pods that the headroom of the policies stands for. */
  readonly headroom?: () => readonly Pod[];
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics?: Registry;
}

/** Deletes NodeClaims of nodes that are empty, expired, or emptied by the evictor; Karpenter ends the machines. */
export const createConsolidationController = (o: ConsolidationOptions): Controller => {
  const { client, caches, recorder, clock } = o;
  const log = o.log.child({ controller: NAME });
  const ledger = new Ledger();
  const policies = createNodePolicies({
    caches,
    ledger,
    policies: o.policies?.now ?? (() => NO_POLICIES),
    ...(o.policyRecord && { record: o.policyRecord }),
    now: clock.now,
  });
  const sources: Sources = {
    caches,
    ledger,
    policies,
    countOf: createPoolCounts({ caches, ledger, now: clock.now }),
    isEnabled: o.isEnabled,
    settleMs: o.settleMs ?? SETTLE_MS,
    now: clock.now,
    ...(o.schedulers && { schedulers: o.schedulers }),
  };
  // Each last look has to see what the one before has deleted.
  const turns = new Turns();
  const counts = countersOf(o.metrics);
  let buffers: { readonly at: number; readonly read: Promise<BufferPods> } | undefined;

  /** A list that fails is no reason to give up: nodes whose room it could need stay, or are opened again. */
  const readBuffersAnew = (signal: AbortSignal): Promise<BufferPods> => {
    const read = readBufferPods({ ...o, signal }).catch((error: unknown): BufferPods => {
      const reason = messageOf(error);
      if (!signal.aborted) log.warn({ reason }, 'CapacityBuffers can not be read, so empty nodes stay');
      return { pods: [], problem: `CapacityBuffers, which may need its room, can't be read: ${reason}` };
    });
    buffers = { at: clock.now(), read };
    return read;
  };
  const bufferPods = (signal: AbortSignal): Promise<BufferPods> =>
    buffers && clock.now() - buffers.at < BUFFERS_MS ? buffers.read : readBuffersAnew(signal);

  const event = ({ node }: Pick<NodeFacts, 'node'>, reason: string, message: string): void =>
    recorder.event(NODES, node, 'Normal', reason, message);

  const reopen = async (w: Writer, facts: NodeFacts, decision: Decision & { kind: 'reopen' }) => {
    const { node, claim } = facts;
    await openNode(w, node);
    await freeClaim(w, claim);
    ledger.kept(claim);
    ledger.rest(claim, clock.now() + REST_MS);
    const { path = 'none', reason, message } = decision;
    counts.spared(path);
    event(facts, 'NodeKept', `It is not removed after all: ${message}`);
    log.info({ node: node.metadata.name, path, reason, message }, 'node is kept after all');
    return decision.retryMs === undefined ? awaitChange : requeue(decision.retryMs);
  };

  /** The last look and the deletion. A claim that changed between the two is left to the next pass. */
  const remove = async (w: Writer, before: NodeFacts): Promise<Action> => {
    const facts = await freshFacts(sources, w, before, () => readBuffersAnew(w.signal));
    if (!facts) return awaitChange;
    const decision = decide(facts);
    if (decision.kind === 'reopen') return reopen(w, facts, decision);
    if (decision.kind !== 'delete') return requeue(decision.kind === 'settle' ? decision.afterMs : AGAIN_MS);
    const { node, claim } = facts;
    const { path } = decision;
    try {
      await deleteClaim(w, claim);
    } catch (error) {
      // The next pass looks again, at what has changed or gone.
      if (isConflict(error) || isNotFound(error)) return requeue(AGAIN_MS);
      throw error;
    }
    ledger.deleted(claim);
    if (path === 'empty' && policies.hasPolicy()) policies.deleted(node.metadata.name);
    counts.deleted(path);
    const about = { node: node.metadata.name, nodeClaim: claim.metadata.name, path };
    log.info(about, 'node claim deleted');
    event(facts, 'NodeConsolidated', `NodeClaim ${claim.metadata.name} was deleted: ${REASONS[path]}`);
    return awaitChange;
  };

  const apply = async (w: Writer, facts: NodeFacts, decision: Decision): Promise<Action> => {
    const { node, claim } = facts;
    const keeps = 'reason' in decision && decision.path === 'empty' && !IN_USE.has(decision.reason);
    policies.stays(node.metadata.name, keeps && policies.hasPolicy() ? decision.message : undefined);
    switch (decision.kind) {
      case 'none':
        ledger.kept(claim);
        return awaitChange;
      case 'leave':
        ledger.kept(claim);
        log.debug({ node: node.metadata.name, ...decision }, 'node is left alone');
        // Nobody else would say why a node that somebody's evictor has emptied stays; one in use by a plan goes with it.
        if (decision.path === 'evicted' && decision.reason !== 'NodeInUse')
          event(facts, 'NodeKept', `It is not removed, though the evictor is done: ${decision.message}`);
        return decision.retryMs === undefined ? awaitChange : requeue(decision.retryMs);
      case 'reopen':
        return reopen(w, facts, decision);
      case 'mark': {
        const restMs = ledger.restOf(claim, clock.now());
        if (restMs > 0) return requeue(restMs);
        ledger.begin(claim);
        if (!(await markClaim(w, claim))) ledger.kept(claim);
        else if (decision.path !== 'expired') await closeNode(w, node, clock.now());
        return awaitChange;
      }
      case 'close':
        ledger.begin(claim);
        await closeNode(w, node, clock.now());
        return awaitChange;
      case 'settle':
        return requeue(decision.afterMs);
      case 'delete':
        return turns.take(node.metadata.name, () => remove(w, facts), requeue);
    }
  };

  const nodesOf = ({ metadata: { name } }: NodePool): string[] =>
    caches.nodeClaims.list().flatMap((claim) => (poolNameOf(claim) === name ? nodeNameOf(claim) : []));
  const allNodes = (): string[] => caches.nodes.list().map(({ metadata }) => metadata.name);
  const closedNodes = (): string[] =>
    caches.nodes.by(CLOSED_FOR_REMOVAL, '').map(({ metadata }) => metadata.name);
  const nodeNameOf = (claim: NodeClaim): string[] => {
    const node = nodeOf(caches, claim);
    return node ? [node.metadata.name] : [];
  };

  return {
    name: NAME,
    sources: [
      watches(caches.nodes, (node) => [node.metadata.name]),
      watches(caches.nodeClaims, (claim, { type }) => {
        if (type === 'delete') {
          ledger.gone(claim);
          policies.gone(claim);
        }
        return nodeNameOf(claim);
      }),
      watches(caches.pods, ({ spec }) => (spec.nodeName ? [spec.nodeName] : []), {
        gatherMs: PODS_GATHER_MS,
      }),
      // A pod that finds no place because of our taint gets it back before another node is bought.
      watches(caches.pods, ({ spec }) => (spec.nodeName ? [] : closedNodes())),
      watches(caches.persistentVolumeClaims, ({ metadata }) => {
        const node = valueAt(metadata.annotations, SELECTED_NODE);
        return node === undefined ? [] : [node];
      }),
      watches(caches.nodePools, (pool, change) =>
        change.type === 'update' && isSamePool(pool, change.old) ? [] : nodesOf(pool),
      ),
      ...o.configMaps.map((cache) => watches(cache, allNodes)),
      // Their status, which we write, is no reason to look again.
      ...(o.policies
        ? [
            watches(o.policies.cache, (policy, change) =>
              change.type === 'update' && isDeepStrictEqual(policy.spec, change.old.spec) ? [] : allNodes(),
            ),
          ]
        : []),
    ],
    reconcile: async (name, signal) => {
      turns.leave(name);
      const node = caches.nodes.get(name);
      const claim = node && claimOf(caches, node);
      if (!claim) return awaitChange;
      policies.see(node, claim);
      if (!isConcerned(sources, node, claim)) {
        policies.stays(name);
        return beforeExpiry(awaitChange, claim, clock.now());
      }
      let facts = cachedFacts(sources, name, UNREAD);
      let decision = facts && decide(facts);
      // Buffers are read only where nothing else decides.
      if (decision && 'reason' in decision && decision.reason === 'RoomNeeded') {
        facts = cachedFacts(sources, name, await bufferPods(signal));
        decision = facts && decide(facts);
      }
      if (!facts || !decision) return awaitChange;
      const action = await apply({ client, signal }, facts, decision);
      return beforeExpiry(action, claim, clock.now());
    },
  };
};

/** Whether two versions of a NodePool differ in what Karpenter writes alone, which it does every few seconds. */
const isSamePool = (one: NodePool, other: NodePool): boolean =>
  one.metadata.uid === other.metadata.uid &&
  one.metadata.deletionTimestamp === other.metadata.deletionTimestamp &&
  isDeepStrictEqual(one.spec, other.spec);

/** Whether a node may be removed, or has something of ours that may have to come off. */
const isConcerned = (o: Sources, node: Node, claim: NodeClaim): boolean => {
  if (isMarked(claim) || removalTaintOf(node) !== undefined) return true;
  const pool = o.caches.nodePools.get(poolNameOf(claim));
  const hasPolicy = o.policies.hasPolicy();
  const path = pathOf(node, claim, pool, { isEnabled: o.isEnabled(), hasPolicy, now: o.now() });
  if (path === 'empty' && hasPolicy) return o.policies.factsOf(node, claim).emptySince !== undefined;
  return path !== undefined;
};

/** The action, at the latest when the claim expires. */
const beforeExpiry = (action: Action, claim: NodeClaim, now: number): Action => {
  const expiry = expiryOf(claim);
  if (expiry === undefined || expiry <= now) return action;
  const latest = Math.min(expiry - now, MAX_SLEEP_MS);
  return requeue(action.kind === 'requeue' ? Math.min(action.afterMs, latest) : latest);
};
