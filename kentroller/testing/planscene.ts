import { setImmediate } from 'node:timers/promises';
import { IN_USE_BY } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from './builders.ts';
import type { Process } from './process.ts';

/** An API server in memory with a plan, NodeClaim blue that it uses, and that claim's node with these annotations of the plan's. */
export const planScene = (
  { metadata, spec, status }: ReturnType<typeof make.plan>,
  node: Node,
  marks: readonly string[],
): MemoryApi => {
  const api = new MemoryApi({ now: () => make.NOW });
  const { uid = '' } = api.create(REBALANCE_PLANS, { metadata, spec }).metadata;
  api.edit(REBALANCE_PLANS, { name: 'plan' }, (plan) => ({ ...plan, ...(status && { status }) }));
  const mark = `plan/${uid}`;
  const claim = make.nodeClaim('blue', { annotations: { [IN_USE_BY]: mark } });
  api.create(NODE_CLAIMS, claim);
  api.edit(NODE_CLAIMS, { name: 'blue' }, (found) => ({
    ...found,
    ...(claim.status && { status: claim.status }),
  }));
  const owned = Object.fromEntries(marks.map((key) => [key, mark]));
  const annotations = { ...node.metadata.annotations, ...owned };
  api.create(NODES, { ...node, metadata: { ...node.metadata, annotations } });
  return api;
};

/** Reconciles plans and NodeClaims so many times, each time until nothing is on its way. */
export const passes = async (
  process: Process,
  {
    plans,
    claims,
    times,
  }: Readonly<Record<'plans' | 'claims', readonly string[]>> & { readonly times: number },
): Promise<void> => {
  for (let pass = 0; pass < times; pass += 1) {
    for (const begin of process.reconciles(plans, claims)) begin();
    await setImmediate();
    while (process.requests.length > 0) {
      process.requests.shift()?.();
      await setImmediate();
    }
    for (let each = process.deliveries(); each.length > 0; each = process.deliveries()) each[0]?.();
  }
};
