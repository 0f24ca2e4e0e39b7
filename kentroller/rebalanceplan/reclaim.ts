import { ownerMark, parseOwnerMark } from '../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, IN_USE_BY, LOCKED_BY, PLAN_FINALIZER } from '../../api/labels.ts';
import type { KubeObject } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../../kube/controller/controller.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import { uncordonNode, unlockNode } from './writes/nodes.ts';
import { freeNode } from './writes/nodeuse.ts';

const MARKS = [IN_USE_BY, CORDONED_BY, LOCKED_BY];
const WHY = { reason: 'PlanGone', message: 'The plan that marked it no longer exists' };

type Owner = NonNullable<ReturnType<typeof parseOwnerMark>>;

/** The plans that have marked an object. */
const ownersOf = ({ metadata: { annotations = {} } }: KubeObject): readonly Owner[] =>
  MARKS.flatMap((mark) => parseOwnerMark(valueAt(annotations, mark)) ?? []);

/** True for a plan that takes nothing back any more: it is gone, another one has its name, or it has let go. */
const isOver = (plan: RebalancePlan | undefined, { uid }: Owner): boolean =>
  plan?.metadata.uid !== uid || (isFinished(plan) && !plan.metadata.finalizers?.includes(PLAN_FINALIZER));

const nodeKey = (name: string): string => `Node/${name}`;
const claimKey = (name: string): string => `NodeClaim/${name}`;

/**
 * Takes back what plans did to nodes that no longer exist or have ended: a user removed the finalizer, or a stale cache hid
 * the last write. Keys are 'Node/name' and 'NodeClaim/name'.
 */
export const reclaimNodes = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'plans' | 'nodes' | 'nodeClaims'>;
  readonly log: Logger;
}): Controller => {
  const { client, caches } = o;
  const keysOf = (plan: RebalancePlan): readonly string[] => {
    const mark = ownerMark(plan);
    const isMarked = (object: KubeObject): boolean =>
      MARKS.some((each) => valueAt(object.metadata.annotations, each) === mark);
    return [
      ...caches.nodes.list().flatMap((node) => (isMarked(node) ? [nodeKey(node.metadata.name)] : [])),
      ...caches.nodeClaims
        .list()
        .flatMap((claim) => (isMarked(claim) ? [claimKey(claim.metadata.name)] : [])),
    ];
  };
  const reclaim = async (key: string, name: string, owner: Owner, signal: AbortSignal): Promise<void> => {
    // The cache may be behind: the API server decides whether the plan is over.
    if (!isOver(caches.plans.get(owner.name), owner)) return;
    const plan = await getOrUndefined(client.get(REBALANCE_PLANS, { name: owner.name }, { signal }));
    if (!isOver(plan, owner)) return;
    const writer = { client, signal };
    const gone = { metadata: owner };
    if (key === claimKey(name)) await freeNode(writer, gone, name);
    else {
      await uncordonNode(writer, gone, { kind: 'uncordon', node: name, drainFailed: false, ...WHY });
      await unlockNode(writer, gone, { kind: 'unlock', node: name, ...WHY });
    }
    o.log.info({ object: key, plan: owner.name, uid: owner.uid }, 'marks of a plan that is over taken off');
  };
  return {
    name: 'rebalanceplan.reclaim',
    sources: [
      watches(caches.nodes, (node) => (ownersOf(node).length > 0 ? [nodeKey(node.metadata.name)] : [])),
      watches(caches.nodeClaims, (claim) =>
        ownersOf(claim).length > 0 ? [claimKey(claim.metadata.name)] : [],
      ),
      watches(caches.plans, (plan, change) =>
        change.type === 'delete' || isOver(plan, { name: '', uid: plan.metadata.uid ?? '' })
          ? keysOf(plan)
          : [],
      ),
    ],
    reconcile: async (key, signal) => {
      const name = key.slice(key.indexOf('/') + 1);
      const object = key === nodeKey(name) ? caches.nodes.get(name) : caches.nodeClaims.get(name);
      for (const owner of object ? ownersOf(object) : []) await reclaim(key, name, owner, signal);
      return awaitChange;
    },
  };
};
