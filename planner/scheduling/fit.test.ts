import fc from 'fast-check';
import t from 'tap';
import type { Pod, PodSpec } from '../../api/objects.ts';
import { makeNode, makePod } from '../testing/builders.ts';
import { type ClusterView, fits, type NodeInfo, nodeInfoOf, type Refusal } from './fit.ts';

const HOSTNAME = 'kubernetes.io/hostname';
const ZONE = 'topology.kubernetes.io/zone';
const web = { matchLabels: { app: 'web' } };

const nodeOf = (name: string, pods: readonly Pod[] = [], o: Parameters<typeof makeNode>[1] = {}): NodeInfo =>
  nodeInfoOf(makeNode(name, o).node, pods);
const clusterOf = (...nodes: readonly NodeInfo[]): ClusterView => ({ nodes, namespaces: new Map() });
const podWith = (spec: Partial<PodSpec>, name = 'p'): Pod => makePod(name, { spec });
const withPort = (name: string): Pod =>
  podWith(
    { containers: [{ name: 'main', ports: [{ containerPort: 80, hostPort: 8080 }], resources: {} }] },
    name,
  );
const apart = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: web, topologyKey: HOSTNAME }],
    },
  },
};
const together = {
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: HOSTNAME },
      ],
    },
  },
};
const spreadBy = (topologyKey: string): Partial<PodSpec> => ({
  topologySpreadConstraints: [
    { maxSkew: 1, topologyKey, whenUnsatisfiable: 'DoNotSchedule', labelSelector: web },
  ],
});
const withClaim: Partial<PodSpec> = {
  volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'missing' } }],
};

interface Row {
  readonly says: string;
  readonly pod: Pod;
  readonly node?: NodeInfo;
  /** Without it, only the node itself is looked at. */
  readonly cluster?: (node: NodeInfo) => ClusterView;
  readonly code?: Refusal['code'];
  readonly message?: RegExp;
}

const rows: readonly Row[] = [
  { says: 'a plain pod fits an empty node', pod: makePod('p') },
  {
    says: 'a cordoned node takes no pod',
    pod: makePod('p'),
    node: { ...nodeOf('n'), unschedulable: true },
    code: 'NodeUnschedulable',
    message: /were unschedulable/,
  },
  {
    says: 'a pod that tolerates the cordon fits a cordoned node',
    pod: podWith({ tolerations: [{ operator: 'Exists' }] }),
    node: { ...nodeOf('n'), unschedulable: true },
  },
  {
    says: 'a pod with a node name fits no other node',
    pod: podWith({ nodeName: 'other' }),
    code: 'NodeName',
    message: /requested node name/,
  },
  {
    says: 'a taint keeps off a pod that does not tolerate it',
    pod: makePod('p'),
    node: nodeOf('n', [], { taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }] }),
    code: 'TaintToleration',
    message: /untolerated taint/,
  },
  {
    says: 'a PreferNoSchedule taint keeps no pod off',
    pod: makePod('p'),
    node: nodeOf('n', [], { taints: [{ key: 'team', effect: 'PreferNoSchedule' }] }),
  },
  {
    says: 'a node selector needs its label',
    pod: podWith({ nodeSelector: { [ZONE]: 'us-west-2b' } }),
    code: 'NodeAffinity',
    message: /affinity\/selector/,
  },
  {
    says: 'a host port is given once a node',
    pod: withPort('p'),
    node: nodeOf('n', [withPort('other')]),
    code: 'NodePorts',
    message: /free ports/,
  },
  {
    says: 'a node takes no more pods than its pod capacity',
    pod: makePod('p'),
    node: nodeOf('n', [makePod('other')], { pods: 1 }),
    code: 'NodeResourcesFit',
    message: /Too many pods/,
  },
  {
    says: 'a pod needs its CPU',
    pod: makePod('p', { cpu: 600 }),
    node: nodeOf('n', [makePod('other', { cpu: 500 })], { cpu: 1000 }),
    code: 'NodeResourcesFit',
    message: /Insufficient cpu/,
  },
  {
    says: 'a pod that has ended leaves its room to others',
    pod: makePod('p', { cpu: 600 }),
    node: nodeOf('n', [{ ...makePod('other', { cpu: 500 }), status: { phase: 'Succeeded' } }], { cpu: 1000 }),
  },
  {
    says: 'a claim that does not exist keeps a pod off every node',
    pod: podWith(withClaim),
    cluster: (node) => ({
      ...clusterOf(node),
      volumes: { claims: new Map(), volumes: new Map(), classes: new Map(), limits: new Map() },
    }),
    code: 'Volumes',
    message: /"missing" not found/,
  },
  { says: 'volumes are ignored when they are not given', pod: podWith(withClaim), cluster: clusterOf },
  {
    says: 'topology spread keeps its skew',
    pod: podWith(spreadBy(HOSTNAME)),
    node: nodeOf('n', [makePod('other')]),
    cluster: (node) => clusterOf(node, nodeOf('empty')),
    code: 'PodTopologySpread',
    message: /spread constraints$/,
  },
  {
    says: 'topology spread needs the topology label',
    pod: podWith(spreadBy('rack')),
    cluster: clusterOf,
    code: 'PodTopologySpread',
    message: /missing required label/,
  },
  {
    says: 'topology spread is not checked without the cluster',
    pod: podWith(spreadBy('rack')),
  },
  {
    says: 'required pod affinity needs a pod that it selects',
    pod: podWith(together),
    cluster: clusterOf,
    code: 'InterPodAffinity',
    message: /pod affinity rules/,
  },
  {
    says: 'required pod affinity is met beside a pod that it selects',
    pod: podWith(together),
    node: nodeOf('n', [makePod('db', { app: 'db' })]),
    cluster: clusterOf,
  },
  {
    says: "the pod's own anti-affinity keeps it off",
    pod: podWith(apart),
    node: nodeOf('n', [makePod('other')]),
    code: 'InterPodAffinity',
    message: /pod anti-affinity rules/,
  },
  {
    says: 'the anti-affinity of a pod that is there keeps others off',
    pod: makePod('p'),
    node: nodeOf('n', [podWith(apart, 'other')]),
    code: 'InterPodAffinity',
    message: /existing pods anti-affinity/,
  },
];

for (const { says, pod, node = nodeOf('n'), cluster, code, message } of rows) {
  t.test(says, async (t) => {
    const refusal = fits(pod, node, cluster?.(node));
    t.equal(refusal?.code, code);
    if (message) t.match(refusal?.message, message);
  });
}

const sizes = fc.record({
  cpu: fc.integer({ min: 0, max: 3000 }),
  memory: fc.integer({ min: 0, max: 9000 }),
});

t.test('a pod that fits still fits when another pod leaves the node', async () => {
  fc.assert(
    fc.property(fc.array(sizes, { maxLength: 8 }), sizes, fc.nat(7), (others, size, gone) => {
      const there = others.map((each, n) => makePod(`other-${n}`, each));
      const pod = makePod('p', size);
      fc.pre(fits(pod, nodeOf('n', there, { pods: 6 })) === undefined);
      return fits(pod, nodeOf('n', there.toSpliced(gone, 1), { pods: 6 })) === undefined;
    }),
    { seed: 1, numRuns: 300 },
  );
});

t.test('a pod fits exactly when its requests are within what the pods on the node leave', async () => {
  fc.assert(
    fc.property(fc.array(sizes, { maxLength: 8 }), sizes, (others, size) => {
      const cpu = others.reduce((sum, each) => sum + each.cpu, 0);
      const memory = others.reduce((sum, each) => sum + each.memory, 0);
      const hasCpu = size.cpu === 0 || cpu + size.cpu <= 4000;
      const hasMemory = size.memory === 0 || memory + size.memory <= 16_000;
      const there = others.map((each, n) => makePod(`other-${n}`, each));
      const refusal = fits(makePod('p', size), nodeOf('n', there, { cpu: 4000, memory: 16_000, pods: 6 }));
      return (refusal === undefined) === (hasCpu && hasMemory && others.length < 6);
    }),
    { seed: 2, numRuns: 300 },
  );
});

t.test('a rule about other pods never lets a pod onto a node that refuses it alone', async () => {
  fc.assert(
    fc.property(fc.array(sizes, { maxLength: 6 }), sizes, (others, size) => {
      const node = nodeOf(
        'n',
        others.map((each, n) => makePod(`other-${n}`, each)),
      );
      const pod = makePod('p', { ...size, spec: spreadBy(HOSTNAME) });
      const cluster = clusterOf(node, nodeOf('empty'));
      return fits(pod, node) === undefined || fits(pod, node, cluster) !== undefined;
    }),
    { seed: 3, numRuns: 200 },
  );
});
