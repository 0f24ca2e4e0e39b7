import t from 'tap';
import type { CapacityBuffer } from '../../api/objects.ts';
import { ACTIVE_CAPACITY } from './owner.ts';
import { type BufferFacts, statusOf } from './status.ts';

const NOW = '2026-11-30T12:00:00Z';
const BEFORE = '2026-11-30T11:00:00Z';
const template = { spec: { containers: [] } };
const FACTS: BufferFacts = {
  shape: { kind: 'known', template, generation: 7 },
  asked: { replicas: 3 },
  allowed: 3,
  limitedBy: [],
  missing: 0,
};
const BUFFER: CapacityBuffer = {
  metadata: { name: 'a', namespace: 'shop', generation: 2 },
  spec: { podTemplateRef: { name: 'app' }, replicas: 3 },
};
const status = (facts: Partial<BufferFacts> = {}, buffer = BUFFER) =>
  statusOf(buffer, { ...FACTS, ...facts }, ACTIVE_CAPACITY, NOW);
const said = (facts: Partial<BufferFacts>): string =>
  (status(facts).conditions ?? [])
    .map((each) => `${each.type} ${each.status} ${each.reason}: ${each.message}`)
    .join('\n');

t.test('a status says how many chunks there are, of which template', async (t) => {
  t.match(status(), {
    replicas: 3,
    provisioningStrategy: ACTIVE_CAPACITY,
    podTemplateRef: { name: 'app' },
    podTemplateGeneration: 7,
    conditions: [
      { type: 'ReadyForProvisioning', status: 'True', reason: 'Resolved', observedGeneration: 2 },
      { type: 'Provisioning', status: 'True', reason: 'FitsExistingCapacity' },
      { type: 'LimitedByQuotas', status: 'False', reason: 'WithinQuotas' },
    ],
  });
  const scaled = { ...BUFFER, spec: { scalableRef: { kind: 'Deployment', name: 'app' }, replicas: 3 } };
  const of = status({ shape: { kind: 'known', template, scalableReplicas: 4 } }, scaled);
  t.same([of.podTemplateRef, of.podTemplateGeneration], [undefined, undefined]);
});

/** Sentence, what is known, what is said. */
const CASES: readonly (readonly [string, Partial<BufferFacts>, RegExp])[] = [
  [
    'a template that is not there',
    {
      shape: { kind: 'unknown', reason: 'PodTemplateNotFound', message: 'there is no PodTemplate shop/app' },
      asked: { problem: 'x' },
    },
    /ReadyForProvisioning False PodTemplateNotFound: .*no PodTemplate shop\/app.*\nProvisioning False NotReadyForProvisioning/,
  ],
  [
    'a count that nobody can tell',
    { asked: { problem: 'none says' }, allowed: 0 },
    /ReadyForProvisioning False ResolutionFailed: .*none says/,
  ],
  ['no chunks', { asked: { replicas: 0 }, allowed: 0 }, /Provisioning False BufferEmpty/],
  [
    'chunks without room',
    { missing: 2 },
    /Provisioning False RequiresNewCapacity: 2 of 3 chunks need new nodes\.$/m,
  ],
  [
    'and why none is bought',
    { missing: 2, unbought: 'no machine is large enough' },
    /bought for them now: no machine is large enough\./,
  ],
  [
    'a quota',
    { allowed: 1, limitedBy: ['small', 'tiny'] },
    /LimitedByQuotas True LimitedByQuotas: 1 of 3 chunks: .* small, tiny leave/,
  ],
  ['several quotas together', { allowed: 1 }, /its namespace, all together/],
];
for (const [says, facts, text] of CASES)
  t.test(`a status says: ${says}`, async (t) => t.match(said(facts), text));

t.test('a condition keeps its time while its status stays, whatever it says', async (t) => {
  const conditions = [
    { type: 'ReadyForProvisioning', status: 'True', reason: 'x', message: 'y', lastTransitionTime: BEFORE },
    { type: 'Provisioning', status: 'False', reason: 'x', message: 'y', lastTransitionTime: BEFORE },
  ] as const;
  const times = status({}, { ...BUFFER, status: { conditions } }).conditions?.map(
    (each) => each.lastTransitionTime,
  );
  t.same(times, [BEFORE, NOW, NOW]);
});
