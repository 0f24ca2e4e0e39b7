import t from 'tap';
import type { Pod, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import {
  ANY_MACHINE,
  claimsOf,
  containersOf,
  deletedBy,
  everyValue,
  M5_LIST,
  provisioned,
  rebalanced,
  spreadOverZones,
  TWO_ZONES,
  unplacedOf,
} from '../testing/cases.ts';

/** What pods ask of nodes and of other pods, judged by the rules of kube-scheduler: kinds that the numbered cases leave out. */

const ZONE = 'topology.kubernetes.io/zone';
const HOST = 'kubernetes.io/hostname';
const TYPE = 'node.kubernetes.io/instance-type';
const many = (n: number, o: Parameters<typeof makePod>[1]): Pod[] =>
  Array.from({ length: n }, (_, i) => makePod(`p${i}`, { app: 's', cpu: 1500, ...o }));

t.test('minDomains 3 in two zones lets one pod into each', async (t) => {
  const answer = provisioned(
    makeSnapshot([], many(3, { spec: spreadOverZones({ minDomains: 3 }) }), ANY_MACHINE),
    M5_LIST,
  );
  t.equal(answer.unplaced.length, 1);
  t.equal(claimsOf(answer).length, 2);
});

t.test('matchLabelKeys leaves pods of an older revision out of the count', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900, zone: 'us-west-2a' });
  const keys = spreadOverZones({ matchLabelKeys: ['pod-template-hash'] });
  const old = ['o1', 'o2'].map((name) =>
    makePod(name, { app: 's', node: 'n', cpu: 1900, labels: { 'pod-template-hash': 'old' } }),
  );
  const fresh = many(2, { spec: keys, labels: { 'pod-template-hash': 'new' } });
  t.same(
    everyValue(provisioned(makeSnapshot([node], [...old, ...fresh], ANY_MACHINE), M5_LIST), ZONE),
    TWO_ZONES,
    'one in each zone',
  );
  const plain = many(2, { spec: spreadOverZones(), labels: { 'pod-template-hash': 'new' } });
  t.same(
    everyValue(provisioned(makeSnapshot([node], [...old, ...plain], ANY_MACHINE), M5_LIST), ZONE),
    ['us-west-2b'],
    'without it',
  );
});

t.test('nodeTaintsPolicy decides whether a zone of tainted nodes is a domain', async (t) => {
  const taints = [{ key: 'team', effect: 'NoSchedule' as const }];
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900, zone: 'us-west-2c', taints });
  const ask = (nodeTaintsPolicy: 'Honor' | 'Ignore') =>
    unplacedOf(
      provisioned(
        makeSnapshot([node], many(4, { spec: spreadOverZones({ nodeTaintsPolicy }) }), ANY_MACHINE),
        M5_LIST,
      ),
    ).length;
  t.equal(ask('Honor'), 0);
  t.equal(ask('Ignore'), 2, 'zone c has none, so a and b may have one each');
});

t.test('nodeAffinityPolicy Ignore makes a zone that the pod can’t enter a domain', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900, zone: 'us-west-2c' });
  const ask = (nodeAffinityPolicy: 'Honor' | 'Ignore') => {
    const spec = { ...spreadOverZones({ nodeAffinityPolicy }), nodeSelector: { [ZONE]: 'us-west-2a' } };
    return unplacedOf(provisioned(makeSnapshot([node], many(2, { spec }), ANY_MACHINE), M5_LIST)).length;
  };
  t.equal(ask('Honor'), 0);
  t.equal(ask('Ignore'), 1);
});

const apart = (term: object): Partial<PodSpec> => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: HOST, labelSelector: { matchLabels: { app: 'web' } }, ...term },
      ],
    },
  },
});

t.test('anti-affinity with a namespaceSelector looks into the namespaces that it selects', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900 });
  const there = makePod('web', { node: 'n', cpu: 100 });
  const elsewhere: Pod = { ...there, metadata: { ...there.metadata, namespace: 'shop' } };
  const namespaces = [
    { metadata: { name: 'shop', labels: { team: 'a' } } },
    { metadata: { name: 'default', labels: {} } },
  ];
  const ask = (term: object): number =>
    claimsOf(
      provisioned(
        makeSnapshot([node], [elsewhere, makePod('p', { app: 'p', cpu: 500, spec: apart(term) })], {
          ...ANY_MACHINE,
          namespaces,
        }),
        M5_LIST,
      ),
    ).length;
  t.equal(ask({}), 0, 'its own namespace alone');
  t.equal(ask({ namespaceSelector: { matchLabels: { team: 'a' } } }), 1);
  t.equal(ask({ namespaceSelector: {} }), 1, 'all namespaces');
  t.equal(ask({ namespaceSelector: { matchLabels: { team: 'b' } } }), 0);
  t.equal(ask({ namespaces: ['shop'] }), 1);
});

t.test('anti-affinity of a pod that stands keeps the pods that it selects out of its zone', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900, zone: 'us-west-2a' });
  const stands = makePod('db', { app: 'db', node: 'n', cpu: 100, spec: apart({ topologyKey: ZONE }) });
  const answer = provisioned(
    makeSnapshot([node], [stands, makePod('w', { app: 'web', cpu: 500 })], ANY_MACHINE),
    M5_LIST,
  );
  t.same(everyValue(answer, ZONE), ['us-west-2b']);
});

for (const [what, spec, cpu] of [
  [
    'a sidecar counts beside the containers',
    {
      initContainers: [{ name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } }],
      containers: containersOf('1'),
    },
    2000,
  ],
  [
    'an init container runs beside the sidecars before it',
    {
      initContainers: [
        { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '1' } } },
        { name: 'i', resources: { requests: { cpu: '3' } } },
      ],
      containers: containersOf('1'),
    },
    4000,
  ],
  [
    'a sidecar after an init container does not run beside it',
    {
      initContainers: [
        { name: 'i', resources: { requests: { cpu: '1500m' } } },
        { name: 's', restartPolicy: 'Always', resources: { requests: { cpu: '100m' } } },
      ],
      containers: containersOf('1'),
    },
    1500,
  ],
  [
    'requests of the pod as a whole count in place of the sum',
    { resources: { requests: { cpu: '3' } }, containers: containersOf('1') },
    3000,
  ],
  ['overhead of the runtime class is added', { overhead: { cpu: '1' }, containers: containersOf('1') }, 2000],
] as const) {
  t.test(what, async (t) => {
    const at = (room: number): number =>
      claimsOf(
        provisioned(
          makeSnapshot(
            [makeNode('n', { type: 'm5.2xlarge', cpu: room })],
            [makePod('p', { spec: spec as Partial<PodSpec> })],
            ANY_MACHINE,
          ),
          M5_LIST,
        ),
      ).length;
    t.same([at(cpu), at(cpu - 1)], [0, 1], `${cpu}m`);
  });
}

t.test('a pod that is resized in place holds the most of what it asks for and has', async (t) => {
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900 });
  const base = makePod('r', { app: 'r', node: 'n', cpu: 1000 });
  const resized: Pod = {
    ...base,
    status: {
      phase: 'Running',
      containerStatuses: [
        { name: 'main', resources: { requests: { cpu: '2500m' } }, allocatedResources: { cpu: '2' } },
      ],
    },
  };
  t.equal(
    claimsOf(provisioned(makeSnapshot([node], [resized, makePod('p', { cpu: 1400 })], ANY_MACHINE), M5_LIST))
      .length,
    0,
  );
  t.equal(
    claimsOf(provisioned(makeSnapshot([node], [resized, makePod('p', { cpu: 1401 })], ANY_MACHINE), M5_LIST))
      .length,
    1,
  );
});

t.test('host ports collide by protocol and address', async (t) => {
  const withPort = (name: string, port: object, node?: string): Pod => {
    const pod = makePod(name, { app: name, cpu: 100, ...(node !== undefined && { node }) });
    return {
      ...pod,
      spec: {
        ...pod.spec,
        containers: pod.spec.containers.map((each) => ({ ...each, ports: [{ containerPort: 80, ...port }] })),
      },
    };
  };
  const node = makeNode('n', { type: 'm5.xlarge', cpu: 3900 });
  const ask = (theirs: object, ours: object): number =>
    claimsOf(
      provisioned(
        makeSnapshot([node], [withPort('a', theirs, 'n'), withPort('b', ours)], ANY_MACHINE),
        M5_LIST,
      ),
    ).length;
  t.equal(ask({ hostPort: 80 }, { hostPort: 80 }), 1);
  t.equal(ask({ hostPort: 80 }, { hostPort: 80, protocol: 'UDP' }), 0);
  t.equal(ask({ hostPort: 80, hostIP: '127.0.0.1' }, { hostPort: 80, hostIP: '0.0.0.0' }), 1);
  t.equal(ask({ hostPort: 80, hostIP: '127.0.0.1' }, { hostPort: 80, hostIP: '10.0.0.1' }), 0);
});

t.test('a pod that names its node by hostname keeps it', async (t) => {
  const nodes = [makeNode('n', { type: 'm5.2xlarge', cpu: 7900 })];
  const pods = [makePod('a', { app: 'a', node: 'n', cpu: 100, spec: { nodeSelector: { [HOST]: 'n' } } })];
  t.same(deletedBy(rebalanced(makeSnapshot(nodes, pods, ANY_MACHINE), M5_LIST)), []);
});

t.test('a node affinity by Gt counts the machine’s label as a number', async (t) => {
  const term = (key: string, value: string): Partial<PodSpec> => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'Gt', values: [value] }] }],
        },
      },
    },
  });
  const answer = provisioned(
    makeSnapshot([], [makePod('p', { spec: term('karpenter.k8s.aws/instance-cpu', '2') })], ANY_MACHINE),
    M5_LIST,
  );
  t.notOk(everyValue(answer, TYPE).includes('m5.large'), everyValue(answer, TYPE).join());
});
