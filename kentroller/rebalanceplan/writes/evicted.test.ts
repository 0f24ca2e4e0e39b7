import t from 'tap';
import { DRAINING, EVICTED_TAINT, EVICTION_STATUS } from '../../../api/labels.ts';
import { NODES } from '../../../api/resources.ts';
import * as make from '../../testing/builders.ts';
import { nodesOnServer } from '../../testing/nodesonserver.ts';

/** The marks of a node that the evictor's plan drains, on a real API server. */

const { client, createNode, take } = nodesOnServer('evicted', process.env.KUBECONFIG);
const PLAN = make.plan({ drainReason: 'evictor', nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] });
const why = { reason: 'r', message: 'm' };
const CORDON = { kind: 'cordon', ...why };
const EVICTED = { kind: 'mark-evicted', ...why };
const UNCORDON = { kind: 'uncordon', drainFailed: false, ...why };
const TAINT = { key: EVICTED_TAINT, effect: 'PreferNoSchedule' };

const looksOf = async (name: string) => {
  const { metadata, spec } = await client.get(NODES, { name });
  return {
    draining: metadata.labels?.[DRAINING],
    status: metadata.labels?.[EVICTION_STATUS],
    unschedulable: spec?.unschedulable ?? false,
    taints: (spec?.taints ?? []).filter(({ key }) => key === EVICTED_TAINT || key === 'team'),
  };
};

t.test('a node is drained as the evictor’s, emptied, and opened again with its soft taint', async (t) => {
  const theirs = { key: 'team', value: 'a', effect: 'NoSchedule' as const };
  const node = await createNode({ spec: { taints: [theirs] } });
  await take(node, [CORDON, CORDON], PLAN);
  const drained = { draining: 'evictor', unschedulable: true, taints: [theirs, TAINT] };
  t.same(await looksOf(node), { ...drained, status: undefined });
  await take(node, [EVICTED, EVICTED], PLAN);
  t.same(await looksOf(node), { ...drained, status: 'done' });
  await take(node, [UNCORDON, UNCORDON], PLAN);
  t.same(await looksOf(node), {
    draining: undefined,
    status: undefined,
    unschedulable: false,
    taints: [theirs, TAINT],
  });
});

t.test('a node that the plan has not cordoned is not called empty', async (t) => {
  const node = await createNode({});
  await take(node, [EVICTED], PLAN);
  t.equal((await looksOf(node)).status, undefined);
});
