import { consolidationOwner, isMarkedBy, ownerMark, parseOwnerMark } from '../../api/identity/ownermark.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, IN_USE_BY, LOCKED_BY, OWNED_BY, PLAN_FINALIZER } from '../../api/labels.ts';
import type { KubeObject, NodeClaim } from '../../api/objects.ts';
import { destinationOf, isFinished } from '../../api/plans.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { awaitChange, type Controller, requeue, watches } from '../../kube/controller/controller.ts';
import { getIfServed } from '../../kube/ignore.ts';
import type { Caches } from '../caches.ts';
import { giveBackMachine, ordererOf } from './orphans.ts';
import { LOOK_AGAIN_MS } from './state/step.ts';
import { uncordonNode, unlockNode } from './writes/nodes.ts';
import { freeNode } from './writes/nodeuse.ts';

const MARKS = [IN_USE_BY, CORDONED_BY, LOCKED_BY];
const WHY = { reason: 'PlanGone', message: 'The plan that marked it no longer exists' };

type Owner = NonNullable<ReturnType<typeof parseOwnerMark>>;

/** The plans that have marked an object; node consolidation takes its own marks back. */
const ownersOf = (object: KubeObject): readonly Owner[] => {
  const { annotations = {} } = object.metadata;
  const marks = MARKS.filter((mark) => !isMarkedBy(consolidationOwner(object), object, mark));
  return marks.flatMap((mark) => parseOwnerMark(valueAt(annotations, mark)) ?? []);
};

/** True for a plan that takes nothing back any more: it is gone, another one has its name, or it has let go. */
const isOver = (plan: RebalancePlan | undefined, { uid }: Owner): boolean =>
  plan?.metadata.uid !== uid || (isFinished(plan) && !plan.metadata.finalizers?.includes(PLAN_FINALIZER));

/** True for a plan that does not exist: one that has ended may still want the machines that it ordered. */
const isGone = (plan: RebalancePlan | undefined, { uid }: Owner): boolean => plan?.metadata.uid !== uid;

const nodeKey = (name: string): string => `Node/${name}`;
const claimKey = (name: string): string => `NodeClaim/${name}`;

/**
 * Takes back what plans did to nodes that no longer exist or have ended: a user removed the finalizer, or a stale cache hid
 * the last write. Keys are 'Node/name' and 'NodeClaim/name'.
 */
export const reclaimNodes = (o: {
  readonly client: KubeClient;
  readonly caches: Pick<Caches, 'plans' | 'nodes' | 'nodeClaims' | 'nodePools' | 'pods'>;
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
        .flatMap((claim) =>
          isMarked(claim) || isMarkedBy(plan, claim, OWNED_BY) ? [claimKey(claim.metadata.name)] : [],
        ),
    ];
  };
  const reclaim = async (key: string, name: string, owner: Owner, signal: AbortSignal): Promise<void> => {
    // The cache may be behind: the API server decides whether the plan is over.
    if (!isOver(caches.plans.get(owner.name), owner)) return;
    const plan = await readPlan(owner.name, signal);
    if (!isOver(plan, owner)) return;
    const writer = { client, signal };
    const gone = { metadata: owner };
    if (key === claimKey(name)) await freeNode(writer, gone, name);
    else {
      await freeNode(writer, gone, destinationOf({ dstNodeName: name }));
      await uncordonNode(writer, gone, { kind: 'uncordon', node: name, drainFailed: false, ...WHY });
      await unlockNode(writer, gone, { kind: 'unlock', node: name, ...WHY });
    }
    o.log.info({ object: key, plan: owner.name, uid: owner.uid }, 'marks of a plan that is over taken off');
  };
  const readPlan = (name: string, signal: AbortSignal): Promise<RebalancePlan | undefined> =>
    getIfServed(client.get(REBALANCE_PLANS, { name }, { signal }));
  /** True for a machine that has to be looked at again. */
  const reclaimMachine = async (claim: NodeClaim, signal: AbortSignal): Promise<boolean> => {
    const owner = ordererOf(claim);
    if (!owner || !isGone(caches.plans.get(owner.name), owner)) return false;
    if (!isGone(await readPlan(owner.name, signal), owner)) return false;
    await giveBackMachine({ client, signal }, caches, claim, owner);
    o.log.info(
      { object: claimKey(claim.metadata.name), plan: owner.name, uid: owner.uid },
      'machine of a plan that is gone given back',
    );
    return true;
  };
  return {
    name: 'rebalanceplan.reclaim',
    sources: [
      watches(caches.nodes, (node) => (ownersOf(node).length > 0 ? [nodeKey(node.metadata.name)] : [])),
      watches(caches.nodeClaims, (claim) =>
        ownersOf(claim).length > 0 || ordererOf(claim) ? [claimKey(claim.metadata.name)] : [],
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
      const claim = key === claimKey(name) ? caches.nodeClaims.get(name) : undefined;
      const isOpen = claim !== undefined && (await reclaimMachine(claim, signal));
      return isOpen ? requeue(LOOK_AGAIN_MS) : awaitChange;
    },
  };
};
