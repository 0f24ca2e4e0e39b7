import { PIN } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { Node, Pod } from '../../api/objects.ts';
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
import { isAlreadyExists, isConflict, isNotFound } from '../../kube/errors.ts';
import type { HeldIntent } from '../intents/store.ts';
import type { Report, State } from '../placement/state.ts';
import {
  decidePlaceholder,
  isPlaceholder,
  NODE_CLAIM,
  type NodePatch,
  type PlaceholderFacts,
  type PlaceholderStep,
} from './decide.ts';
import { renewNodeLease } from './nodelease.ts';

/** kube-controller-manager gives a node without a heartbeat 40 seconds. */
const RENEW_MS = 10_000;
const LOOK_AGAIN_MS = 1_000;

interface PlaceholderContext {
  readonly client: KubeClient;
  readonly state: State;
  readonly report: Report;
  readonly log: Logger;
}

// No kubelet has seen such a pod: it can be deleted without grace.
const neverStarted = (pod: Pod): boolean => pod.status?.startTime === undefined;

const nodeIntentOf = (state: State, name: string): HeldIntent | undefined =>
  state.store.by('node', name).find(({ intent }) => intent.node);

const gather = (state: State, name: string): PlaceholderFacts => ({
  name,
  intent: nodeIntentOf(state, name)?.intent,
  node: state.nodes.get(name),
  pods: state.pods.by('node', name),
  hasPins: state.store.by('node', name).some(({ intent }) => intent.pin),
  hasFullState: state.store.hasFullState,
  isDisabled: state.store.isDisabled,
  now: state.now(),
});

/** Takes pods off a node whose kubelet never came; their controllers make new ones. Returns how many. */
const deletePods = async (
  p: PlaceholderContext,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<number> => {
  let count = 0;
  for (const { metadata } of pods.filter(neverStarted)) {
    const { name, namespace = 'default', uid } = metadata;
    try {
      const precondition = uid ? { uid } : {};
      await p.client.delete(PODS, { name, namespace }, { ...precondition, gracePeriodSeconds: 0, signal });
      count++;
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }
  return count;
};

const create = async (
  p: PlaceholderContext,
  name: string,
  node: Node,
  signal: AbortSignal,
): Promise<Node | undefined> => {
  try {
    const made = await p.client.create(NODES, node, { signal });
    const { annotations } = node.metadata;
    p.log.info(
      { node: name, nodeClaim: annotations?.[NODE_CLAIM], providerID: node.spec?.providerID },
      'node placeholder created',
    );
    return made;
  } catch (error) {
    if (isAlreadyExists(error)) return undefined;
    throw error;
  }
};

const applyPatch = async (
  p: PlaceholderContext,
  facts: PlaceholderFacts,
  step: Extract<PlaceholderStep, { kind: 'patch' }>,
  signal: AbortSignal,
): Promise<void> => {
  const wasPlaceholder = facts.node !== undefined && isPlaceholder(facts.node);
  const resourceVersion = facts.node?.metadata.resourceVersion;
  const body: NodePatch & { metadata: object } = {
    ...step.patch,
    // Taints are a list: written only over what was read.
    metadata: { ...step.patch.metadata, ...(step.patch.spec?.taints ? { resourceVersion } : {}) },
  };
  await p.client.patch(NODES, { name: facts.name }, body, { signal });
  if (step.hasJoined && wasPlaceholder) p.log.info({ node: facts.name }, 'node placeholder adopted');
  else p.log.info({ node: facts.name, reason: step.reason }, 'node completed');
};

/** Pods first, then the Node, if it is still ours and its kubelet has still not spoken. */
const giveUp = async (
  p: PlaceholderContext,
  facts: PlaceholderFacts,
  reason: string,
  signal: AbortSignal,
): Promise<boolean> => {
  const { name } = facts;
  const now = await p.client.get(NODES, { name }, { signal });
  if (!isPlaceholder(now) || hasJoined(now)) return false;
  const taken = await deletePods(p, facts.pods, signal);
  if (now.metadata.deletionTimestamp) return true;
  const { uid, resourceVersion } = now.metadata;
  const preconditions = { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
  await p.client.delete(NODES, { name }, { ...preconditions, signal });
  p.log.info({ node: name, reason, pods: taken }, 'node placeholder deleted');
  return true;
};

const applyStep = async (
  p: PlaceholderContext,
  facts: PlaceholderFacts,
  step: PlaceholderStep,
  signal: AbortSignal,
): Promise<Action> => {
  const { client, state } = p;
  switch (step.kind) {
    case 'create': {
      const made = await create(p, facts.name, step.node, signal);
      if (!made) return requeue(LOOK_AGAIN_MS);
      await renewNodeLease(client, made, state.now(), signal);
      return requeue(RENEW_MS);
    }
    case 'patch':
      await applyPatch(p, facts, step, signal);
      return awaitChange;
    case 'keep':
      if (facts.node) await renewNodeLease(client, facts.node, state.now(), signal);
      return requeue(Math.max(1, Math.min(RENEW_MS, step.until - state.now())));
    case 'give-up':
      return (await giveUp(p, facts, step.reason, signal)) ? awaitChange : requeue(LOOK_AGAIN_MS);
    case 'sweep': {
      const stranded = facts.pods.filter(({ metadata }) => metadata.annotations?.[PIN] !== undefined);
      const count = await deletePods(p, stranded, signal);
      if (count > 0) p.log.info({ node: facts.name, pods: count }, 'pods taken off a node that is gone');
      return awaitChange;
    }
    case 'wait':
      p.log.warn({ node: facts.name, reason: step.reason }, 'node placeholder has to wait');
      return requeue(LOOK_AGAIN_MS);
    case 'rest':
      return awaitChange;
    default:
      return step satisfies never;
  }
};

/** Node names whose state a pod speaks of: those that do not stand, or stand for a machine on its way. */
const namesOf = (state: State, pod: Pod): readonly string[] => {
  const { nodeName } = pod.spec;
  return nodeName && pod.metadata.annotations?.[PIN] && !state.nodes.get(nodeName) ? [nodeName] : [];
};

/** Makes, keeps, hands over and gives up placeholder Nodes. Key: the node's name. */
export const createPlaceholderController = (p: PlaceholderContext): Controller => {
  const { state, report } = p;
  return {
    name: 'node.placeholder',
    sources: [
      watches(state.store, ({ intent }) => (intent.nodeName ? [intent.nodeName] : [])),
      watches(state.nodes, ({ metadata }) => {
        const isOurs = metadata.labels !== undefined && isPlaceholder({ metadata });
        const wasOurs = metadata.annotations?.[NODE_CLAIM] !== undefined;
        const isMeant = state.store.by('node', metadata.name).length > 0;
        return isOurs || wasOurs || isMeant ? [metadata.name] : [];
      }),
      watches(state.pods, (pod) => namesOf(state, pod)),
    ],
    reconcile: async (name, signal) => {
      const facts = gather(state, name);
      const step = decidePlaceholder(facts);
      const action = await applyStep(p, facts, step, signal);
      if (facts.intent && step.state !== 'UNKNOWN') {
        report(facts.intent.id, { state: step.state, reason: step.reason, bound: 0 });
      }
      // Until the first state of the world, a missing intent may be one that was not received yet.
      const mayCome = !facts.hasFullState && !facts.isDisabled;
      return action.kind === 'await-change' && mayCome ? requeue(LOOK_AGAIN_MS) : action;
    },
  };
};
