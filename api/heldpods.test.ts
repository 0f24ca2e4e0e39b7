import fc from 'fast-check';
import t from 'tap';
import { isHeld, landingNodeOf, narrowAffinity, withoutHold } from './heldpods.ts';
import { PIN, PIN_GATE } from './labels.ts';
import type { NodeSelectorTerm, Pod } from './objects.ts';

const pod = (terms?: readonly NodeSelectorTerm[]): Pod =>
  ({
    metadata: { name: 'p', annotations: { [PIN]: 'pin' } },
    spec: {
      containers: [],
      schedulingGates: [{ name: 'other' }, { name: PIN_GATE }],
      ...(terms
        ? {
            affinity: {
              nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
            },
          }
        : {}),
    },
  }) as Pod;

const landed = (from: Pod, nodeName: string): Pod => ({
  ...from,
  spec: {
    ...from.spec,
    schedulingGates: [{ name: 'other' }],
    affinity: {
      ...from.spec.affinity,
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: narrowAffinity(from, nodeName) },
    },
  },
});

const term: fc.Arbitrary<NodeSelectorTerm> = fc.oneof(
  fc.constant({}),
  fc.record({
    matchExpressions: fc.array(
      fc.record({
        key: fc.constantFrom('zone', 'arch'),
        operator: fc.constant<'In'>('In'),
        values: fc.constant(['x']),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  }),
);

t.test('a landed pod is tied to its node alone, and undone it is as its controller makes it', async () => {
  fc.assert(
    fc.property(fc.option(fc.array(term, { minLength: 1, maxLength: 3 }), { nil: undefined }), (terms) => {
      const before = pod(terms);
      const after = landed(before, 'node-1');
      const canMatch = !terms || terms.some(({ matchExpressions }) => matchExpressions);
      if (landingNodeOf(after) !== (canMatch ? 'node-1' : undefined))
        throw new Error(`lands on ${landingNodeOf(after)}`);
      if (canMatch && !isHeld(after)) throw new Error('it is not held');
      const undone = withoutHold(after).spec.affinity?.nodeAffinity;
      const left = undone?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
      if (JSON.stringify(left) !== JSON.stringify(terms)) throw new Error(JSON.stringify(left));
    }),
  );
});

t.test('only additions are made: each old term keeps all it had', async (t) => {
  const terms = [{ matchExpressions: [{ key: 'zone', operator: 'In' as const, values: ['a'] }] }, {}];
  t.same(narrowAffinity(pod(terms), 'n').nodeSelectorTerms, [
    { ...terms[0], matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n'] }] },
    {},
  ]);
});

t.test("a pod's own demand for a node is not ours to undo", async (t) => {
  const own = landed({ ...pod(), metadata: { name: 'p' } }, 'node-1');
  t.equal(landingNodeOf(own), undefined);
  t.same(withoutHold(own), own);
});

t.test('our gate alone goes, and the gates of others stay', async (t) => {
  t.same(withoutHold(pod()).spec.schedulingGates, [{ name: 'other' }]);
});
