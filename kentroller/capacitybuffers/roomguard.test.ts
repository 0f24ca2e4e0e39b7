import t from 'tap';
import {
  KARPENTER_DISRUPTED_TAINT,
  KARPENTER_DO_NOT_DISRUPT,
  KEEPS_ROOM,
  LOCKED_BY,
  OWNED_BY,
} from '../../api/labels.ts';
import { NODE_CLAIMS, NODES } from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { protectionBlockers } from '../../planner/cluster/candidate.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { applyGuard, guardSteps } from './roomguard.ts';

/** do-not-disrupt on nodes with room of CapacityBuffers, and off those without. */

const GUARD = { [KARPENTER_DO_NOT_DISRUPT]: 'true', [KEEPS_ROOM]: 'true' };
interface Case {
  readonly annotations?: Record<string, string>;
  readonly isDisrupted?: true;
  readonly isDrifted?: true;
  readonly hasNoClaim?: true;
  readonly isLookedAt?: false;
}
const stepsOf = (holds: boolean, o: Case): readonly string[] => {
  const made = makeNode('a');
  const node = {
    ...made.node,
    metadata: { ...made.node.metadata, annotations: o.annotations ?? {} },
    spec: {
      ...made.node.spec,
      ...(o.isDisrupted && { taints: [{ key: KARPENTER_DISRUPTED_TAINT, effect: 'NoSchedule' as const }] }),
    },
  };
  const conditions = [{ type: 'Drifted', status: 'True' as const }];
  const claim = { ...made.claim, status: { ...made.claim.status, ...(o.isDrifted && { conditions }) } };
  const holders = new Set(holds ? ['a'] : []);
  const looking = { holders, isLookedAt: () => o.isLookedAt ?? true };
  return guardSteps([node], () => (o.hasNoClaim ? undefined : claim), looking).map(({ kind }) => kind);
};

/** Sentence, whether the node holds room, the node, what is done. */
const CASES: readonly (readonly [string, boolean, Case, readonly string[]])[] = [
  ['with room', true, {}, ['guard']],
  ['without', false, {}, []],
  ['that is guarded and has room', true, { annotations: GUARD }, []],
  ['that is guarded and has changed', true, { annotations: GUARD, isLookedAt: false }, ['look']],
  ['whose do-not-disrupt alone was taken off', true, { annotations: { [KEEPS_ROOM]: 'true' } }, ['guard']],
  ['with such a mark and without room', false, { annotations: { [KEEPS_ROOM]: 'true' } }, ['free']],
  [
    'whose user has made do-not-disrupt say something else',
    true,
    { annotations: { ...GUARD, [KARPENTER_DO_NOT_DISRUPT]: 'false' } },
    ['free'],
  ],
  ['that is guarded and has none any more', false, { annotations: GUARD }, ['free']],
  ['with a do-not-disrupt of its users', true, { annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true' } }, []],
  ['without room and with such', false, { annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true' } }, []],
  [
    'that a plan has locked',
    true,
    { annotations: { [LOCKED_BY]: 'x', [KARPENTER_DO_NOT_DISRUPT]: 'true' } },
    [],
  ],
  ['that a plan has locked while it was guarded', false, { annotations: { ...GUARD, [LOCKED_BY]: 'x' } }, []],
  ['that a plan has ordered', true, { annotations: { [OWNED_BY]: 'x' } }, []],
  ['that Karpenter takes out', true, { isDisrupted: true }, []],
  ['that has drifted', true, { isDrifted: true }, []],
  ['that has drifted while it was guarded', true, { isDrifted: true, annotations: GUARD }, ['free']],
  ['that is not Karpenter’s', true, { hasNoClaim: true }, []],
];
for (const [says, holds, o, steps] of CASES) {
  t.test(`a node ${says}: ${steps.join() || 'left alone'}`, async (t) => t.same(stepsOf(holds, o), steps));
}

t.test('a guard is put on and taken off, and what a user wrote meanwhile stays', async (t) => {
  const api = new MemoryApi({ now: () => 0 });
  const { node, claim } = makeNode('a');
  api.create(NODES, node);
  api.create(NODE_CLAIMS, claim);
  const client = memoryClient(api, async (_, serve) => serve());
  const o = { client, signal: new AbortController().signal };
  const { name } = node.metadata;
  const annotations = () => api.get(NODES, { name }).metadata.annotations ?? {};
  await applyGuard(o, { kind: 'guard', node: name });
  t.match(annotations(), GUARD);
  await applyGuard(o, { kind: 'free', node: name });
  t.same([annotations()[KARPENTER_DO_NOT_DISRUPT], annotations()[KEEPS_ROOM]], [undefined, undefined]);
  api.patch(NODES, { name }, { metadata: { annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true' } } });
  await applyGuard(o, { kind: 'guard', node: name });
  await applyGuard(o, { kind: 'free', node: name });
  t.same(annotations()[KARPENTER_DO_NOT_DISRUPT], 'true');
});

t.test('plans look past a guard, and not past a do-not-disrupt of users', async (t) => {
  const rules = { mode: {}, now: 0 } as unknown as Parameters<typeof protectionBlockers>[1];
  const { node, claim } = makeNode('a');
  const blockers = (annotations: Record<string, string>) =>
    protectionBlockers(
      { node: { ...node, metadata: { ...node.metadata, annotations } }, claim, pods: [] },
      rules,
    );
  t.same(blockers(GUARD), []);
  t.match(blockers({ [KARPENTER_DO_NOT_DISRUPT]: 'true' }), [{ message: /do-not-disrupt/ }]);
});
