import { NODE_CLAIM, PIN } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { hasNeverStarted } from '../../api/pods.ts';
import { NODES, PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import {
  type Action,
  awaitChange,
  type Controller,
  requeue,
  watches,
} from '../../kube/controller/controller.ts';
import { isAlreadyExists } from '../../kube/errors.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import type { StoredIntent } from '../intents/store.ts';
import type { Report, State } from '../placement/state.ts';
import { askForClaim, claimAwaited } from './claim.ts';
import {
  decidePlaceholder,
  isPlaceholder,
  type NodePatch,
  type PlaceholderFacts,
  type PlaceholderStep,
} from './decide.ts';
import { renewNodeLease } from './nodelease.ts';

/** A quarter of the Lease's duration, as a kubelet does it. */
const LEASE_RENEW_MS = 10_000;
const RECHECK_MS = 1_000;

interface PlaceholderContext {
  readonly client: KubeClient;
  readonly state: State;
  readonly report: Report;
  readonly log: Logger;
}

/** Names of Nodes that intents name and that were seen. */
type SeenNodes = Set<string>;

/** The facts of a node, from the intents that name it. */
const gather = (
  state: State,
  name: string,
  intents: readonly StoredIntent[],
  seen: SeenNodes,
): PlaceholderFacts => ({
  name,
  intent: intents.find(({ intent }) => intent.node)?.intent,
  node: state.nodes.get(name),
  pods: state.pods.by('node', name),
  hasPins: intents.some(({ intent }) => intent.pin),
  wasThere: seen.has(name),
  hasFullState: state.store.hasFullState,
  isDisabled: state.store.isDisabled,
  now: state.now(),
});

/** Whether an intent is for the NodeClaim that the intent of a machine names. */
const isOfSameClaim = (intent: Intent, machine: Intent): boolean =>
  (intent.nodeClaim === '' || intent.nodeClaim === machine.nodeClaim) &&
  (!intent.node || intent.node.nodeClaimUid === machine.node?.nodeClaimUid);

/**
 * Forgets the intents that a node's end leaves behind, and tells their source, which may be there and mean them still.
 * Those that came or changed since they were gathered stay.
 */
const dropIntents = (
  context: PlaceholderContext,
  { name, intent: machine }: PlaceholderFacts,
  gathered: readonly StoredIntent[],
  reason: string,
): void => {
  const { store } = context.state;
  const ids = gathered
    .filter((stored) => store.get(stored.intent.id) === stored)
    .filter(({ intent }) => !machine || isOfSameClaim(intent, machine))
    .map(({ intent }) => intent.id);
  for (const id of ids) {
    context.report(id, { state: 'GIVEN_UP', reason, bound: 0 });
    store.remove(id, store.version);
  }
  context.log.info({ node: name, reason, intents: ids.length }, 'intents of a gone node dropped');
};

/** Deletes the pods that no kubelet has started, so that their controllers replace them. Returns their number. */
const deletePods = async (
  context: PlaceholderContext,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<number> => {
  let count = 0;
  for (const { metadata } of pods.filter(hasNeverStarted)) {
    const { name, namespace = 'default', uid } = metadata;
    const options = { ...(uid && { uid }), gracePeriodSeconds: 0, signal };
    await context.client
      .delete(PODS, { name, namespace }, options)
      .then(() => void count++)
      .catch(ignoreNotFoundOrConflict);
  }
  return count;
};

const create = async (
  context: PlaceholderContext,
  name: string,
  node: Node,
  signal: AbortSignal,
): Promise<Node | undefined> => {
  try {
    const created = await context.client.create(NODES, node, { signal });
    const { annotations } = node.metadata;
    context.log.info(
      { node: name, nodeClaim: annotations?.[NODE_CLAIM], providerID: node.spec?.providerID },
      'node placeholder created',
    );
    return created;
  } catch (error) {
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
};

const applyPatch = async (
  context: PlaceholderContext,
  facts: PlaceholderFacts,
  step: Extract<PlaceholderStep, { kind: 'patch' }>,
  signal: AbortSignal,
): Promise<void> => {
  const wasPlaceholder = facts.node !== undefined && isPlaceholder(facts.node);
  const resourceVersion = facts.node?.metadata.resourceVersion;
  const body: NodePatch & { metadata: object } = {
    ...step.patch,
    // A taint list is replaced as a whole, so it is written only over the version that was read.
    metadata: { ...step.patch.metadata, ...(step.patch.spec?.taints && { resourceVersion }) },
  };
  await context.client.patch(NODES, { name: facts.name }, body, { signal });
  if (step.hasJoined && wasPlaceholder) context.log.info({ node: facts.name }, 'node placeholder adopted');
  else context.log.info({ node: facts.name, reason: step.reason }, 'node metadata completed');
};

/** Deletes the pods, then the Node; returns false when it is no longer a placeholder. */
const deletePlaceholder = async (
  context: PlaceholderContext,
  facts: PlaceholderFacts,
  reason: string,
  signal: AbortSignal,
): Promise<boolean> => {
  const { name } = facts;
  const current = await context.client.get(NODES, { name }, { signal });
  if (!isPlaceholder(current) || hasJoined(current)) return false;
  const deletedPods = await deletePods(context, facts.pods, signal);
  if (current.metadata.deletionTimestamp) return true;
  const { uid, resourceVersion } = current.metadata;
  const preconditions = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
  await context.client.delete(NODES, { name }, { ...preconditions, signal });
  context.log.info({ node: name, reason, pods: deletedPods }, 'node placeholder deleted');
  return true;
};

const applyStep = async (
  context: PlaceholderContext,
  facts: PlaceholderFacts,
  step: Exclude<PlaceholderStep, { kind: 'drop-intents' }>,
  signal: AbortSignal,
): Promise<Action> => {
  const { client, state } = context;
  switch (step.kind) {
    case 'create': {
      const created = await create(context, facts.name, step.node, signal);
      if (!created) return requeue(RECHECK_MS);
      await renewNodeLease(client, created, state.now(), signal);
      return requeue(LEASE_RENEW_MS);
    }
    case 'patch':
      await applyPatch(context, facts, step, signal);
      return awaitChange;
    case 'keep':
      if (facts.node) await renewNodeLease(client, facts.node, state.now(), signal);
      return requeue(Math.max(1, Math.min(LEASE_RENEW_MS, step.until - state.now())));
    case 'delete':
      return (await deletePlaceholder(context, facts, step.reason, signal))
        ? awaitChange
        : requeue(RECHECK_MS);
    case 'delete-pods': {
      const pinned = facts.pods.filter(({ metadata }) => metadata.annotations?.[PIN] !== undefined);
      const count = await deletePods(context, pinned, signal);
      if (count > 0) context.log.info({ node: facts.name, pods: count }, 'pods of a missing node deleted');
      return awaitChange;
    }
    case 'wait':
      context.log.warn({ node: facts.name, reason: step.reason }, 'node placeholder blocked');
      return requeue(RECHECK_MS);
    case 'none':
      return awaitChange;
    default:
      return step satisfies never;
  }
};

/** The node of a pinned pod, where it does not exist. */
const missingNodeNamesOf = (state: State, pod: Pod): readonly string[] => {
  const { nodeName } = pod.spec;
  return nodeName && pod.metadata.annotations?.[PIN] && !state.nodes.get(nodeName) ? [nodeName] : [];
};

/** Creates, completes, renews and deletes placeholder Nodes. Key: the node's name. */
export const createPlaceholderController = (context: PlaceholderContext): Controller => {
  const { state, report } = context;
  const seen: SeenNodes = new Set();
  /** Keeps in mind which Nodes of intents were seen, and forgets those that none names any more. */
  const remember = (name: string): void => {
    if (state.store.by('node', name).length === 0) seen.delete(name);
    else if (state.nodes.get(name)) seen.add(name);
  };
  const tell = ({ intent }: PlaceholderFacts, step: PlaceholderStep): void => {
    if (!intent || step.state === 'UNKNOWN') return;
    report(intent.id, { state: step.state, reason: step.reason, bound: 0 });
  };
  /** `gathered` are the intents that the facts are made of. */
  const advance = async (
    facts: PlaceholderFacts,
    gathered: readonly StoredIntent[],
    signal: AbortSignal,
  ): Promise<Action> => {
    const { store } = state;
    const step = decidePlaceholder(facts);
    if (step.kind === 'drop-intents') {
      dropIntents(context, facts, gathered, step.reason);
      if (store.by('node', facts.name).length > 0) return requeue(RECHECK_MS);
      return advance({ ...facts, intent: undefined, hasPins: false }, [], signal);
    }
    const isNew = (stored: StoredIntent): boolean => !gathered.includes(stored);
    if (facts.claim?.state === 'gone' && store.by('node', facts.name).some(isNew)) return requeue(RECHECK_MS);
    const action = await applyStep(context, facts, step, signal);
    tell(facts, step);
    // Before the first full state, a missing intent may only be late.
    const mayBeUnknown = !facts.hasFullState && !facts.isDisabled;
    return action.kind === 'await-change' && mayBeUnknown ? requeue(RECHECK_MS) : action;
  };
  return {
    name: 'node.placeholder',
    sources: [
      watches(state.store, ({ intent }) => (intent.nodeName ? [intent.nodeName] : [])),
      watches(state.nodes, ({ metadata }) => {
        const isOurs = metadata.labels !== undefined && isPlaceholder({ metadata });
        const isMarked = metadata.annotations?.[NODE_CLAIM] !== undefined;
        const hasIntent = state.store.by('node', metadata.name).length > 0;
        return isOurs || isMarked || hasIntent ? [metadata.name] : [];
      }),
      watches(state.pods, (pod) => missingNodeNamesOf(state, pod)),
    ],
    reconcile: async (name, signal) => {
      remember(name);
      const gathered = state.store.by('node', name);
      const facts = gather(state, name, gathered, seen);
      const awaited = claimAwaited(facts);
      return advance(
        awaited ? { ...facts, claim: await askForClaim(context.client, awaited, signal) } : facts,
        gathered,
        signal,
      );
    },
  };
};
