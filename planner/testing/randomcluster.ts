import { ZONE } from '../../api/labels.ts';
import type { DaemonSet, Node, NodePool, PersistentVolumeClaim, Pod, PodSpec } from '../../api/objects.ts';
import { amount } from '../../api/quantity.ts';
import type { Catalogue } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { randomFrom } from '../search/random.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './builders.ts';

const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'];
const KINDS: readonly (readonly [string, number, number, number])[] = [
  ['m5.large', 2, 8, 0.096],
  ['m5.xlarge', 4, 16, 0.192],
  ['m5.2xlarge', 8, 32, 0.384],
  ['c5.large', 2, 4, 0.085],
  ['c5.xlarge', 4, 8, 0.17],
  ['c5.4xlarge', 16, 32, 0.68],
  ['r5.xlarge', 4, 32, 0.252],
];

const GIB = 1024 ** 3;

/** Seven instance types in three zones, spot at prices that differ by zone. */
export const smallCatalogue: Catalogue = {
  instanceTypes: KINDS.map(([name, cpu, memory, price]) => ({
    name,
    arch: 'amd64',
    os: ['linux'],
    labels: {
      'node.kubernetes.io/instance-type': name,
      'kubernetes.io/arch': 'amd64',
      'kubernetes.io/os': 'linux',
      'karpenter.k8s.aws/instance-category': name.slice(0, 1),
      'karpenter.k8s.aws/instance-family': name.slice(0, 2),
      'karpenter.k8s.aws/instance-generation': '5',
      'karpenter.k8s.aws/instance-cpu': String(cpu),
    },
    capacity: { cpu: cpu * 1000, memory: memory * GIB, pods: 30, ephemeralStorage: 20 * GIB, other: {} },
    overhead: { cpu: 100, memory: GIB / 2, pods: 0, ephemeralStorage: 0, other: {} },
    offerings: ZONES.flatMap((zone, index) => [
      { zone, capacityType: 'on-demand' as const, price, available: true },
      {
        zone,
        capacityType: 'spot' as const,
        price: price * (0.3 + 0.1 * index),
        available: index !== 1 || cpu > 2,
      },
    ]),
  })),
};

/** Features that a random cluster may have. */
export interface ClusterFeatures {
  readonly spread?: boolean;
  readonly affinity?: boolean;
  readonly selectors?: boolean;
  readonly daemons?: boolean;
  readonly ports?: boolean;
  /** Claims bound to a volume in a zone, and claims of a class that some zones offer. */
  readonly volumes?: boolean;
  /** Limits on the NodePool. */
  readonly limits?: boolean;
  /** Preferences about nodes and other pods. */
  readonly soft?: boolean;
}

const pick = <T>(random: () => number, list: readonly T[]): T =>
  list[Math.floor(random() * list.length)] as T;

const specOf = (random: () => number, app: string, features: ClusterFeatures): Partial<PodSpec> => {
  const selector = { matchLabels: { app } };
  const spec: { -readonly [K in keyof PodSpec]?: PodSpec[K] } = {};
  const affinity: {
    -readonly [K in keyof NonNullable<PodSpec['affinity']>]: NonNullable<PodSpec['affinity']>[K];
  } = {};
  const key = pick(random, ['kubernetes.io/hostname', 'topology.kubernetes.io/zone']);
  if (features.selectors && random() < 0.3)
    spec.nodeSelector = { 'topology.kubernetes.io/zone': pick(random, ZONES) };
  if (features.selectors && random() < 0.2) {
    affinity.nodeAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: 'karpenter.k8s.aws/instance-cpu', operator: 'Gt', values: ['3'] }] },
        ],
      },
    };
  }
  if (features.selectors && random() < 0.2) {
    spec.tolerations = [{ key: 'team', operator: 'Equal', value: 'a', effect: 'NoSchedule' }];
  }
  if (features.spread && random() < 0.4) {
    spec.topologySpreadConstraints = [
      {
        maxSkew: 1 + Math.floor(random() * 2),
        topologyKey: key,
        whenUnsatisfiable: 'DoNotSchedule',
        labelSelector: selector,
      },
    ];
  }
  if (features.affinity && random() < 0.25) {
    affinity.podAntiAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: [
        {
          topologyKey: 'kubernetes.io/hostname',
          labelSelector: { matchLabels: { app: random() < 0.7 ? app : 'app-0' } },
        },
      ],
    };
  } else if (features.affinity && random() < 0.2) {
    affinity.podAffinity = {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: key, labelSelector: selector }],
    };
  }
  if (features.soft && random() < 0.3) {
    const term = { topologyKey: key, labelSelector: { matchLabels: { app: pick(random, [app, 'app-1']) } } };
    const side = random() < 0.5 ? 'podAffinity' : 'podAntiAffinity';
    affinity[side] = {
      ...affinity[side],
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 5, podAffinityTerm: term }],
    };
  }
  if (features.soft && random() < 0.2 && !spec.topologySpreadConstraints) {
    spec.topologySpreadConstraints = [
      { maxSkew: 1, topologyKey: key, whenUnsatisfiable: 'ScheduleAnyway', labelSelector: selector },
    ];
  }
  if (features.volumes && random() < 0.3) {
    const claimName = random() < 0.3 ? 'later' : `zone-${Math.floor(random() * ZONES.length)}`;
    spec.volumes = [{ name: 'data', persistentVolumeClaim: { claimName } }];
  }
  if (Object.keys(affinity).length > 0) spec.affinity = affinity;
  if (features.ports && random() < 0.1) {
    spec.containers = [
      {
        name: 'main',
        resources: { requests: { cpu: '100m', memory: '128Mi' } },
        ports: [{ containerPort: 80, hostPort: 8080 }],
      },
    ];
  }
  return spec;
};

const claimOf = (name: string, spec: NonNullable<PersistentVolumeClaim['spec']>): PersistentVolumeClaim => ({
  metadata: { name, namespace: 'default' },
  spec,
});

/** One claim bound to a volume in each zone, and one that can be bound in two of them. */
const VOLUMES: Pick<Snapshot, 'persistentVolumeClaims' | 'persistentVolumes' | 'storageClasses'> = {
  persistentVolumeClaims: [
    ...ZONES.map((_, n) => claimOf(`zone-${n}`, { volumeName: `volume-${n}` })),
    claimOf('later', { storageClassName: 'later' }),
  ],
  persistentVolumes: ZONES.map((zone, n) => ({
    metadata: { name: `volume-${n}` },
    spec: {
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: ZONE, operator: 'In', values: [zone] }] }],
        },
      },
    },
  })),
  storageClasses: [
    {
      metadata: { name: 'later' },
      provisioner: 'csi.example.com',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowedTopologies: [{ matchLabelExpressions: [{ key: ZONE, values: ZONES.slice(1) }] }],
    },
  ],
};

/** The NodePool with limits somewhat above its nodes' capacity. */
const withLimits = (random: () => number, pool: NodePool, nodes: readonly Node[]): NodePool => {
  const used = nodes.reduce((sum, node) => sum + amount('cpu', node.status?.capacity?.cpu ?? '0'), 0);
  return {
    ...pool,
    spec: { ...pool.spec, limits: { cpu: `${used + Math.floor(random() * 24) * 1000}m` } },
    status: { resources: { cpu: `${used}m` } },
  };
};

/** A cluster with `nodes` nodes and `pods` pods, on nodes where there is room or pending; the same for the same seed. */
export const randomCluster = (
  seed: number,
  nodes: number,
  pods: number,
  features: ClusterFeatures,
): Snapshot => {
  const random = randomFrom(seed);
  const apps = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, n) => {
    const app = `app-${n}`;
    const cpu = 100 + 50 * Math.floor(random() * 20);
    const memory = 128 + 128 * Math.floor(random() * 20);
    return { app, cpu, memory, spec: specOf(random, app, features) };
  });
  const hosts = Array.from({ length: nodes }, (_, n) => {
    const [type, cpu, memory] = pick(random, KINDS);
    return {
      ...makeNode(`node-${n}`, {
        type,
        zone: pick(random, ZONES),
        cpu: cpu * 1000 - 100,
        memory: memory * 1024 - 512,
        pods: 30,
      }),
      cpu: cpu * 1000 - 100,
      memory: memory * 1024 - 512,
    };
  });
  const all: Pod[] = Array.from({ length: pods }, (_, n) => {
    const { app, cpu, memory, spec } = pick(random, apps);
    const plain = Object.keys(spec).length === 0;
    const host = hosts[Math.floor(random() * hosts.length)];
    const isOn = host !== undefined && plain && host.cpu >= cpu && host.memory >= memory && random() < 0.8;
    if (isOn) {
      host.cpu -= cpu;
      host.memory -= memory;
    }
    return makePod(`pod-${n}`, { app, cpu, memory, spec, ...(isOn && { node: host.node.metadata.name }) });
  });
  const daemonSets: DaemonSet[] = features.daemons
    ? [
        {
          kind: 'DaemonSet',
          metadata: { name: 'agent', namespace: 'kube-system' },
          spec: {
            template: {
              spec: {
                containers: [{ name: 'agent', resources: { requests: { cpu: '150m', memory: '200Mi' } } }],
              },
            },
          },
        },
      ]
    : [];
  const pools = [
    makePool(
      'default',
      random() < 0.5
        ? {}
        : {
            requirements: [
              { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] },
            ],
          },
    ),
  ];
  if (features.selectors)
    pools.push(makePool('tainted', { taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }] }));
  const [first] = pools;
  if (features.limits && first) {
    pools[0] = withLimits(
      random,
      first,
      hosts.map(({ node }) => node),
    );
  }
  return makeSnapshot(hosts, all, { nodePools: pools, daemonSets, ...(features.volumes && VOLUMES) });
};
