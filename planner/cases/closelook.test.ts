import t from 'tap';
import type { PodSpec, SelectorRequirement } from '../../api/objects.ts';
import {
  allowedValues,
  bought,
  claimsOf,
  everyValue,
  M5_WITH_SPOT,
  requiresNode,
  TWO_ZONES,
} from '../testing/cases.ts';

/** Pods that wait, each with one rule that is easily read wrong: which machines their claims allow. */

const ZONE = 'topology.kubernetes.io/zone';
const TYPE = 'node.kubernetes.io/instance-type';
const CAPACITY = 'karpenter.sh/capacity-type';

/** One pod, and the values of a label that every claim and alternative allows. */
const ALLOWS: readonly (readonly [string, Partial<PodSpec>, string, readonly string[]])[] = [
  [
    'NotIn a zone',
    requiresNode([{ key: ZONE, operator: 'NotIn', values: ['us-west-2a'] }]),
    ZONE,
    ['us-west-2b'],
  ],
  [
    'a selector for on-demand beside cheaper spot',
    { nodeSelector: { [CAPACITY]: 'on-demand' } },
    CAPACITY,
    ['on-demand'],
  ],
  [
    'NotIn spot',
    requiresNode([{ key: CAPACITY, operator: 'NotIn', values: ['spot'] }]),
    CAPACITY,
    ['on-demand'],
  ],
  [
    'NotIn a hostname that no new node has',
    requiresNode([{ key: 'kubernetes.io/hostname', operator: 'NotIn', values: ['n1'] }]),
    CAPACITY,
    ['on-demand', 'spot'],
  ],
  [
    'a label that must not be there',
    requiresNode([{ key: 'example.com/gpu', operator: 'DoesNotExist' }]),
    CAPACITY,
    ['on-demand', 'spot'],
  ],
  [
    'more CPU than a number',
    requiresNode([{ key: 'karpenter.k8s.aws/instance-cpu', operator: 'Gt', values: ['2'] }]),
    TYPE,
    ['m5.xlarge'],
  ],
  [
    'less CPU than a number',
    requiresNode([{ key: 'karpenter.k8s.aws/instance-cpu', operator: 'Lt', values: ['4'] }]),
    TYPE,
    ['m5.large'],
  ],
  [
    'two rules on one key',
    requiresNode([
      { key: ZONE, operator: 'In', values: TWO_ZONES },
      { key: ZONE, operator: 'NotIn', values: ['us-west-2b'] },
    ]),
    ZONE,
    ['us-west-2a'],
  ],
  [
    'a selector and an affinity on one key',
    {
      ...requiresNode([{ key: ZONE, operator: 'In', values: TWO_ZONES }]),
      nodeSelector: { [ZONE]: 'us-west-2b' },
    },
    ZONE,
    ['us-west-2b'],
  ],
  [
    'resources of the pod as a whole',
    { resources: { requests: { cpu: '3' } } } as Partial<PodSpec>,
    TYPE,
    ['m5.xlarge'],
  ],
  ['an overhead of its runtime', { overhead: { cpu: '1500m' } }, TYPE, ['m5.xlarge']],
  [
    'a sidecar beside it',
    { initContainers: [{ name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '1500m' } } }] },
    TYPE,
    ['m5.xlarge'],
  ],
  [
    'an init container larger than it',
    { initContainers: [{ name: 'i', resources: { requests: { cpu: '3' } } }] },
    TYPE,
    ['m5.xlarge'],
  ],
  [
    'an init container that starts after a sidecar',
    {
      initContainers: [
        { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
        { name: 'i', resources: { requests: { cpu: '1500m' } } },
      ],
    },
    TYPE,
    ['m5.xlarge'],
  ],
];
for (const [what, spec, key, values] of ALLOWS) {
  t.test(`claims for a pod with ${what} allow no more than it`, async (t) => {
    const answer = bought(spec, M5_WITH_SPOT);
    t.same(answer.unplaced, []);
    t.same(everyValue(answer, key), values);
  });
}

t.test('terms of an affinity are ways, none of which lends its parts to another', async (t) => {
  const zoneIs = (zone: string): SelectorRequirement => ({ key: ZONE, operator: 'In', values: [zone] });
  const typeIs = (type: string): SelectorRequirement => ({ key: TYPE, operator: 'In', values: [type] });
  const answer = bought(
    requiresNode([zoneIs('us-west-2a'), typeIs('m5.xlarge')], [zoneIs('us-west-2b'), typeIs('m5.large')]),
    M5_WITH_SPOT,
  );
  t.same(answer.unplaced, []);
  const [claim] = claimsOf(answer);
  const zones = claim ? allowedValues(claim, ZONE) : [];
  const types = claim ? allowedValues(claim, TYPE) : [];
  for (const [at, zone] of zones.entries()) {
    t.equal(zone.length, 1);
    t.same(types[at], zone[0] === 'us-west-2a' ? ['m5.xlarge'] : ['m5.large']);
  }
});
