import t from 'tap';
import type { Pod, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import {
  ANY_MACHINE,
  bought,
  claimsOf,
  everyValue,
  groupsOf,
  M5_LIST,
  M5_WITH_SPOT,
  provisioned,
  requiresNode,
  unplacedOf,
} from '../testing/cases.ts';

/** Pods that wait, each with one rule that is easily read wrong: why nothing is bought for them, or for whom else. */

const ZONE = 'topology.kubernetes.io/zone';
const TYPE = 'node.kubernetes.io/instance-type';
const CAPACITY = 'karpenter.sh/capacity-type';

/** One pod that no new machine is for, and what its reason names. */
const NOWHERE: readonly (readonly [string, Partial<PodSpec>, RegExp])[] = [
  ['an affinity without terms', requiresNode(), /affinity|selector|term/i],
  ['a term without expressions', requiresNode([]), /affinity|selector|term/i],
  [
    'a label of managed node groups',
    { nodeSelector: { 'eks.amazonaws.com/nodegroup': 'ng' } },
    /eks\.amazonaws\.com\/nodegroup/,
  ],
  ['a label that no NodePool gives', { nodeSelector: { 'example.com/disk': 'ssd' } }, /example\.com\/disk/],
  ['another region', { nodeSelector: { 'topology.kubernetes.io/region': 'eu-central-1' } }, /region/],
  [
    'two zones at once',
    {
      ...requiresNode([{ key: ZONE, operator: 'In', values: ['us-west-2a'] }]),
      nodeSelector: { [ZONE]: 'us-west-2b' },
    },
    /selector, affinity/,
  ],
  [
    'a node by its name',
    {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['gone'] }] },
            ],
          },
        },
      },
    } as Partial<PodSpec>,
    /name/,
  ],
  ['Windows', { nodeSelector: { 'kubernetes.io/os': 'windows' } }, /os|windows/i],
  ['arm64', { nodeSelector: { 'kubernetes.io/arch': 'arm64' } }, /arch|arm64/i],
  [
    'more CPU than any machine',
    { containers: [{ name: 'c', resources: { requests: { cpu: '64' } } }] },
    /cpu/i,
  ],
  [
    'more disk than any machine',
    { containers: [{ name: 'c', resources: { requests: { 'ephemeral-storage': '900Gi' } } }] },
    /ephemeral-storage/,
  ],
  [
    'a volume claim that does not exist',
    { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'nope' } }] },
    /nope/,
  ],
  [
    'a rack for its spread',
    {
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'example.com/rack',
          whenUnsatisfiable: 'DoNotSchedule',
          labelSelector: { matchLabels: { app: 'web' } },
        },
      ],
    },
    /example\.com\/rack/,
  ],
  [
    'a rack for its neighbours',
    {
      affinity: {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'example.com/rack', labelSelector: { matchLabels: { app: 'web' } } },
          ],
        },
      },
    },
    /example\.com\/rack|affinity/,
  ],
  [
    'a neighbour that nobody is',
    {
      affinity: {
        podAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: ZONE, labelSelector: { matchLabels: { app: 'nobody' } } },
          ],
        },
      },
    },
    /affinity/,
  ],
];
for (const [what, spec, reason] of NOWHERE) {
  t.test(`nothing is bought for a pod that asks for ${what}, and the reason says so`, async (t) => {
    const { plan, unplaced } = bought(spec, M5_WITH_SPOT);
    t.equal(plan, null);
    t.match(unplaced, [{ name: 'p', reason }], JSON.stringify(unplaced));
  });
}

t.test('pods that nobody is to buy for are left alone', async (t) => {
  const waiting = makePod('p');
  const ofFargate = makePod('p', {
    labels: { 'eks.amazonaws.com/fargate-profile': 'f' },
    spec: { schedulerName: 'fargate-scheduler' },
  });
  const because = (reason: string): Pod => ({
    ...waiting,
    status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason }] },
  });
  for (const pod of [
    makePod('p', { spec: { schedulerName: 'volcano' } }),
    makePod('p', { spec: { schedulingGates: [{ name: 'example.com/wait' }] } }),
    ofFargate,
    because('SchedulingGated'),
    because('SchedulerError'),
    { ...waiting, status: { phase: 'Succeeded' } },
    { ...waiting, metadata: { ...waiting.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } },
  ] as Pod[]) {
    const answer = bought([pod]);
    t.same(claimsOf(answer), [], JSON.stringify([pod.spec.schedulerName, pod.status, pod.metadata.labels]));
  }
});

t.test('a spread that selects nobody, and one that is only wished for, keep nobody waiting', async (t) => {
  const spread = (more: object): Partial<PodSpec> =>
    ({
      topologySpreadConstraints: [
        { maxSkew: 1, topologyKey: ZONE, whenUnsatisfiable: 'DoNotSchedule', ...more },
      ],
    }) as Partial<PodSpec>;
  for (const more of [
    {},
    { whenUnsatisfiable: 'ScheduleAnyway', topologyKey: 'example.com/rack', labelSelector: {} },
  ]) {
    const answer = bought([0, 1, 2].map((n) => makePod(`p${n}`, { spec: spread(more) })));
    t.same(answer.unplaced, [], JSON.stringify(more));
  }
});

const joins = (app: string, topologyKey = 'kubernetes.io/hostname'): Partial<PodSpec> => ({
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey, labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});
const avoids = (app: string, topologyKey = 'kubernetes.io/hostname'): Partial<PodSpec> => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey, labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});

t.test('replicas that join each other share a machine, and those that avoid each other do not', async (t) => {
  const replicas = (spec: Partial<PodSpec>) => [0, 1, 2].map((n) => makePod(`p${n}`, { cpu: 900, spec }));
  t.same(groupsOf(bought(replicas(joins('web')))), [['p0', 'p1', 'p2']]);
  t.same(groupsOf(bought(replicas(avoids('web')))), [['p0'], ['p1'], ['p2']]);
  const apart = bought(replicas(avoids('web', ZONE)));
  t.equal(unplacedOf(apart).length, 1, 'two zones, three pods');
  t.match(apart.unplaced[0]?.reason, /anti-affinity|affinity/);
});

t.test(
  'two pods of which each waits for the other are not called placed: kube-scheduler would start neither',
  async (t) => {
    const answer = bought([
      makePod('a', { app: 'a', spec: joins('b') }),
      makePod('b', { app: 'b', spec: joins('a') }),
    ]);
    t.same([...unplacedOf(answer)].sort(), ['a', 'b']);
    t.same(claimsOf(answer), []);
  },
);

t.test('a neighbour in another namespace counts where the term names that namespace alone', async (t) => {
  const there = makePod('lead', { app: 'lead', node: 'n' });
  const lead = { ...there, metadata: { ...there.metadata, namespace: 'other' } };
  const term = { topologyKey: ZONE, labelSelector: { matchLabels: { app: 'lead' } } };
  const ask = (more: object) =>
    provisioned(
      makeSnapshot(
        [makeNode('n', { zone: 'us-west-2b', cpu: 400, type: 'm5.large' })],
        [
          lead,
          makePod('p', {
            spec: {
              affinity: {
                podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ ...term, ...more }] },
              },
            },
          }),
        ],
        ANY_MACHINE,
      ),
      M5_LIST,
    );
  t.same(unplacedOf(ask({})), ['p']);
  t.same(everyValue(ask({ namespaces: ['other'] }), ZONE), ['us-west-2b']);
});

t.test('a wish for what nobody sells costs nobody a place', async (t) => {
  const spec = {
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            preference: { matchExpressions: [{ key: CAPACITY, operator: 'In', values: ['reserved'] }] },
          },
          {
            weight: 1,
            preference: { matchExpressions: [{ key: ZONE, operator: 'In', values: ['us-west-2z'] }] },
          },
        ],
      },
    },
  } as Partial<PodSpec>;
  t.same(bought(spec).unplaced, []);
});

t.test('a NodePool that rules a pod out is named with what does it', async (t) => {
  const pool = (spec: object, more: object = {}) => {
    const made = makePool('general', { requirements: [], ...spec });
    return { nodePools: [{ ...made, spec: { ...made.spec, ...more } }] };
  };
  const tainted = bought({}, M5_LIST, pool({ taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }] }));
  t.match(tainted.unplaced[0]?.reason, /team/);
  const full = bought({}, M5_LIST, pool({}, { limits: { memory: '1Gi' } }));
  t.match(full.unplaced[0]?.reason, /limit/);
  t.match(full.unplaced[0]?.reason, /general/);
  const none = bought({}, M5_LIST, { nodePools: [] });
  t.match(none.unplaced[0]?.reason, /NodePool/);
  const narrow = bought(
    {},
    M5_LIST,
    pool({ requirements: [{ key: TYPE, operator: 'In', values: ['z9.metal'] }] }),
  );
  t.match(narrow.unplaced[0]?.reason, /general/);
});
