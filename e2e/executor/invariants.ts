import { surgeRecordOf } from '../../api/identity/surgerecord.ts';
import { CORDONED_BY, IN_USE_BY, LOCKED_BY, PREPARING_TAINT } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { hasEnded, podName } from '../../api/pods.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import type { MemoryApi } from '../../kube/testing/memory/api.ts';
import type { Cluster } from './cluster/cluster.ts';
import { ruledOut } from './cluster/scheduler.ts';
import { type Model, type NodeMark, Violation } from './model.ts';

/** The invariants of ARCHITECTURE.md, as far as the API's objects alone show them. */

interface View {
  readonly api: MemoryApi;
  readonly cluster: Cluster;
  readonly model: Model;
  readonly simulation: { readonly now: () => number };
  readonly disturbedUntil: number;
  isForsaken(node: Node): boolean;
}

const OUTLIVES_MS = 60_000;

/** 1. No pod is on a node that its spec rules out. Taints may come later than the pod, and count only for selectors. */
const noPodIsMisplaced = ({ api }: View): void => {
  for (const pod of api.pods()) {
    if (!pod.spec.nodeName || hasEnded(pod) || !pod.spec.nodeSelector) continue;
    const node = api.find(NODES, { name: pod.spec.nodeName });
    const taints = new Set((node?.spec?.taints ?? []).map((t) => t.key));
    const reason = node && ruledOut(pod, node, taints);
    if (reason)
      throw new Violation('1', `pod ${podName(pod)} is on node ${node.metadata.name}, but ${reason}`);
  }
};

/** 2. No placeholder outlives its claim by more than 60 s, while nobody disturbs the pinner. */
const noPlaceholderIsForsaken = (view: View): void => {
  for (const node of view.api.nodes()) {
    if (!view.isForsaken(node)) continue;
    const isOverdue = view.cluster.isDue(`forsaken ${node.metadata.uid}`, OUTLIVES_MS, OUTLIVES_MS);
    if (isOverdue && view.simulation.now() > view.disturbedUntil + OUTLIVES_MS) {
      throw new Violation('2', `placeholder ${node.metadata.name} has outlived its NodeClaim by 60 s`);
    }
  }
};

const hasMark = (node: Node, mark: NodeMark): boolean => {
  if (mark === 'cordon') return node.spec?.unschedulable === true;
  if (mark === 'do-not-disrupt')
    return node.metadata.annotations?.['karpenter.sh/do-not-disrupt'] !== undefined;
  if (mark === 'removal-disabled')
    return node.metadata.labels?.['autoscaling.cast.ai/removal-disabled'] === 'true';
  return node.spec?.taints?.some((t) => t.key === mark.slice('taint '.length)) ?? false;
};

/** What users put on nodes stays until they take it off. */
const userMarksStay = ({ api, model }: View): void => {
  for (const node of api.nodes()) {
    for (const [mark] of model.marksOf(node)) {
      if (!hasMark(node, mark))
        throw new Violation('undo equals do', `a user's ${mark} on node ${node.metadata.name} is lost`);
    }
  }
};

export const checkObjects = (view: View): void => {
  noPodIsMisplaced(view);
  noPlaceholderIsForsaken(view);
  userMarksStay(view);
};

/** What holds once users and clouds have been quiet for long enough: invariants 3, 6 and 7, and that every plan ends. */
export const checkQuiet = (view: View): void => {
  const { api, cluster, model } = view;
  for (const plan of api.list(REBALANCE_PLANS)) {
    const { name, finalizers } = plan.metadata;
    if (!plan.spec.execute && !plan.metadata.deletionTimestamp && !plan.status?.startTime) continue;
    if (!isFinished(plan))
      throw new Violation(
        '6',
        `plan ${name} does not end: ${JSON.stringify(plan.status?.conditions?.at(-1))}`,
      );
    if (finalizers?.length) throw new Violation('6', `plan ${name} has ended and keeps its finalizer`);
  }
  for (const node of api.nodes()) {
    const { name, annotations = {}, deletionTimestamp } = node.metadata;
    // A marked pod may keep a node that goes from going; nobody needs its marks.
    if (deletionTimestamp) continue;
    for (const key of [LOCKED_BY, CORDONED_BY, IN_USE_BY]) {
      if (annotations[key] !== undefined)
        throw new Violation('undo equals do', `node ${name} keeps ${key}=${annotations[key]}`);
    }
    if (
      annotations['karpenter.sh/do-not-disrupt'] !== undefined &&
      !model.marksOf(node).has('do-not-disrupt')
    )
      throw new Violation('undo equals do', `node ${name} keeps our do-not-disrupt`);
    if (node.spec?.unschedulable && !model.marksOf(node).has('cordon'))
      throw new Violation('undo equals do', `node ${name} stays cordoned, and no user cordoned it`);
    if (node.spec?.taints?.some((t) => t.key === PREPARING_TAINT))
      throw new Violation('3', `node ${name} stays reserved`);
  }
  for (const claim of api.list(NODE_CLAIMS)) {
    if (claim.metadata.annotations?.[IN_USE_BY] !== undefined)
      throw new Violation('undo equals do', `NodeClaim ${claim.metadata.name} keeps ${IN_USE_BY}`);
    if (!claim.metadata.deletionTimestamp && !cluster.nodeOfClaim(claim))
      throw new Violation('3', `NodeClaim ${claim.metadata.name} has no node`);
  }
  for (const pod of api.pods()) {
    const detachedBy = surgeRecordOf(pod)?.plan;
    if (detachedBy !== undefined && !pod.metadata.deletionTimestamp)
      throw new Violation(
        'undo equals do',
        `pod ${podName(pod)} stays detached from its ReplicaSet; plan ${detachedBy} is over`,
      );
    if (pod.spec.nodeName || pod.metadata.deletionTimestamp) continue;
    throw new Violation('7', `pod ${podName(pod)} is not scheduled`);
  }
};
