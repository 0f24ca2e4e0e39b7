import t from 'tap';
import type { PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import {
  ANY_MACHINE,
  claimsOf,
  deletedBy,
  everyValue,
  groupsOf,
  M5_LIST,
  provisioned,
  rebalanced,
  spreadOverZones,
  TWO_ZONES,
  unplacedOf,
} from '../testing/cases.ts';

/** Where pods with volumes may come: kinds that the numbered cases leave out. */

const ZONE = 'topology.kubernetes.io/zone';
const HOST = 'kubernetes.io/hostname';

const claim = (name: string, spec: object, phase = 'Bound') => ({
  metadata: { name, namespace: 'default' },
  spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'ebs', ...spec },
  status: { phase },
});
const mounts = (claimName: string): Partial<PodSpec> => ({
  volumes: [{ name: 'v', persistentVolumeClaim: { claimName } }],
});

t.test('WaitForFirstConsumer with allowedTopologies keeps the claim in its zones', async (t) => {
  const answer = provisioned(
    makeSnapshot([], [makePod('p', { spec: mounts('data') })], {
      ...ANY_MACHINE,
      persistentVolumeClaims: [claim('data', {}, 'Pending')],
      storageClasses: [
        {
          metadata: { name: 'ebs' },
          provisioner: 'ebs.csi.aws.com',
          volumeBindingMode: 'WaitForFirstConsumer',
          allowedTopologies: [
            { matchLabelExpressions: [{ key: 'topology.ebs.csi.aws.com/zone', values: ['us-west-2b'] }] },
          ],
        },
      ],
    }),
    M5_LIST,
  );
  t.same([answer.unplaced, everyValue(answer, ZONE)], [[], ['us-west-2b']]);
});

t.test('a node whose CSINode allows no more volumes takes no pod with one', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900 });
  const volume = (name: string) => ({
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'ebs.csi.aws.com', volumeHandle: name } },
  });
  const pods = [
    makePod('a', { app: 'a', node: 'n', cpu: 100, spec: mounts('a') }),
    makePod('b', { app: 'b', cpu: 100, spec: mounts('b') }),
  ];
  const rest = (count: number) => ({
    ...ANY_MACHINE,
    persistentVolumeClaims: ['a', 'b'].map((name) => claim(name, { volumeName: name })),
    persistentVolumes: ['a', 'b'].map(volume),
    csiNodes: [
      {
        metadata: { name: 'n' },
        spec: { drivers: [{ name: 'ebs.csi.aws.com', nodeID: 'n', allocatable: { count } }] },
      },
    ],
  });
  t.equal(claimsOf(provisioned(makeSnapshot([node], pods, rest(1)), M5_LIST)).length, 1);
  t.equal(claimsOf(provisioned(makeSnapshot([node], pods, rest(2)), M5_LIST)).length, 0);
});

t.test('a volume that is local to a node keeps the pod there', async (t) => {
  const nodes = [
    makeNode('n', { type: 'm5.2xlarge', cpu: 7900 }),
    makeNode('m', { type: 'm5.2xlarge', cpu: 7900 }),
  ];
  const affinity = {
    required: {
      nodeSelectorTerms: [{ matchExpressions: [{ key: HOST, operator: 'In' as const, values: ['n'] }] }],
    },
  };
  const pods = [
    makePod('a', { app: 'a', node: 'n', cpu: 100, spec: mounts('a') }),
    makePod('b', { app: 'b', node: 'm', cpu: 100 }),
  ];
  const answer = rebalanced(
    makeSnapshot(nodes, pods, {
      ...ANY_MACHINE,
      persistentVolumeClaims: [claim('a', { volumeName: 'a' })],
      persistentVolumes: [
        { metadata: { name: 'a' }, spec: { local: { path: '/d' }, nodeAffinity: affinity } as never },
      ],
    }),
    M5_LIST,
  );
  t.same(deletedBy(answer), ['claim-m']);
});

t.test('a ReadWriteOncePod volume that a pod has lets no other pod start', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900 });
  const rest = {
    ...ANY_MACHINE,
    persistentVolumeClaims: [claim('a', { volumeName: 'a', accessModes: ['ReadWriteOncePod'] })],
    persistentVolumes: [
      {
        metadata: { name: 'a' },
        spec: { accessModes: ['ReadWriteOncePod'], csi: { driver: 'ebs.csi.aws.com', volumeHandle: 'a' } },
      },
    ],
  };
  const pods = [
    makePod('a', { app: 'a', node: 'n', cpu: 100, spec: mounts('a') }),
    makePod('b', { app: 'b', cpu: 100, spec: mounts('a') }),
  ];
  const answer = provisioned(makeSnapshot([node], pods, rest), M5_LIST);
  t.same([unplacedOf(answer), claimsOf(answer).length], [['b'], 0]);
  t.match(answer.unplaced[0]?.reason, /another pod has its volume, which is ReadWriteOncePod$/);
  const waiting = ['c', 'b'].map((name) => makePod(name, { app: name, cpu: 100, spec: mounts('a') }));
  const first = provisioned(makeSnapshot([], [...waiting, makePod('x')], rest), M5_LIST);
  t.same(
    [unplacedOf(first), groupsOf(first)],
    [['c'], [['b', 'x']]],
    'of two that wait, one; others are planned for',
  );
});

for (const [what, cpu, spec] of [
  ['of another scheduler', 100, { schedulerName: 'volcano' }],
  ['of a selector that nothing meets', 100, { nodeSelector: { nobody: 'x' } }],
  ['too large for any node', 100_000, {}],
] as const) {
  t.test(`a pod ${what} keeps no ReadWriteOncePod volume from the next`, async (t) => {
    const rest = {
      ...ANY_MACHINE,
      persistentVolumeClaims: [claim('a', { volumeName: 'a', accessModes: ['ReadWriteOncePod'] })],
      persistentVolumes: [
        {
          metadata: { name: 'a' },
          spec: { accessModes: ['ReadWriteOncePod'], csi: { driver: 'ebs.csi.aws.com', volumeHandle: 'a' } },
        },
      ],
    };
    const pods = [
      makePod('a', { app: 'a', cpu, spec: { ...mounts('a'), ...spec } }),
      makePod('b', { app: 'b', cpu: 100, spec: mounts('a') }),
    ];
    const answer = provisioned(makeSnapshot([], pods, rest), M5_LIST);
    t.same([unplacedOf(answer), groupsOf(answer)], [['a'], [['b']]]);
    t.notMatch(answer.unplaced[0]?.reason, /ReadWriteOncePod/);
  });
}

t.test('pods of one StatefulSet in two zones stay in their volumes’ zones', async (t) => {
  const nodes = TWO_ZONES.map((zone, n) => makeNode(`n${n}`, { type: 'm5.2xlarge', cpu: 7900, zone }));
  const volumes = TWO_ZONES.map((zone, n) => ({
    metadata: { name: `v${n}` },
    spec: {
      accessModes: ['ReadWriteOnce'],
      csi: { driver: 'ebs.csi.aws.com', volumeHandle: `v${n}` },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            {
              matchExpressions: [
                { key: 'topology.ebs.csi.aws.com/zone', operator: 'In' as const, values: [zone] },
              ],
            },
          ],
        },
      },
    },
  }));
  const pods = [0, 1].map((n) =>
    makePod(`db-${n}`, {
      app: 's',
      owner: 'StatefulSet',
      node: `n${n}`,
      cpu: 500,
      spec: { ...mounts(`d${n}`), ...spreadOverZones() },
    }),
  );
  const answer = rebalanced(
    makeSnapshot(nodes, pods, {
      ...ANY_MACHINE,
      persistentVolumeClaims: [0, 1].map((n) => claim(`d${n}`, { volumeName: `v${n}` })),
      persistentVolumes: volumes,
    }),
    M5_LIST,
  );
  t.same(deletedBy(answer), ['claim-n0', 'claim-n1']);
  t.equal(claimsOf(answer).length, 2);
  t.same(everyValue(answer, ZONE), TWO_ZONES);
});
