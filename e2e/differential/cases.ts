import type {
  Affinity,
  LabelSelector,
  Node,
  Pod,
  PodAffinityTerm,
  PodSpec,
  SelectorRequirement,
  Taint,
  Toleration,
  TopologySpreadConstraint,
} from '../../api/objects.ts';
import { type Dice, diceFrom } from './dice.ts';
import { type CaseVolumes, mountsOf, volumesFor } from './volumes.ts';

/** A small cluster and pods to ask about, all from one seed. */
export interface Case {
  readonly seed: number;
  readonly nodes: readonly Node[];
  readonly existing: readonly Pod[];
  readonly probes: readonly Pod[];
  readonly volumes: CaseVolumes;
}

export const NAMESPACES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'ns-a': { team: 'a' },
  'ns-b': { team: 'b' },
};

const ZONE = 'topology.kubernetes.io/zone';
const HOST = 'kubernetes.io/hostname';
const GPU = 'example.com/gpu';
const KEYS = ['zone', 'disk', 'size', HOST, ZONE] as const;

const taintOf = ({ pick, chance, below }: Dice): Taint => ({
  key: pick(['dedicated', 'gpu', 'level']),
  ...(chance(0.8) && { value: pick(['x', 'y', '007', String(below(5)), String(below(5))]) }),
  effect: pick(['NoSchedule', 'NoSchedule', 'NoExecute', 'PreferNoSchedule']),
});

const unique = (taints: readonly Taint[]): Taint[] => [
  ...new Map(taints.map((taint) => [`${taint.key} ${taint.effect}`, taint])).values(),
];

const nodeOf = (dice: Dice, name: string): Node => {
  const { pick, chance, below } = dice;
  const amounts = {
    cpu: pick(['500m', '1', '1500m', '4']),
    memory: pick(['512Mi', '1Gi', '1.5Gi', '4Gi', '1000M']),
    pods: String(2 + below(6)),
    'ephemeral-storage': pick(['1Gi', '10Gi']),
    ...(chance(0.3) && { [GPU]: String(below(3)) }),
  };
  return {
    metadata: {
      name,
      labels: {
        ...(chance(0.9) && { [HOST]: name }),
        ...(chance(0.85) && { [ZONE]: pick(['a', 'b', 'c']) }),
        ...(chance(0.7) && { disk: pick(['ssd', 'hdd']) }),
        ...(chance(0.7) && { size: pick(['1', '5', '10', '007', 'big']) }),
      },
    },
    spec: {
      ...(chance(0.1) && { unschedulable: true }),
      ...(chance(0.35) && { taints: unique([taintOf(dice), ...(chance(0.3) ? [taintOf(dice)] : [])]) }),
    },
    status: { capacity: amounts, allocatable: amounts, conditions: [{ type: 'Ready', status: 'True' }] },
  };
};

const selectorOf = ({ pick, chance, below }: Dice): LabelSelector => {
  if (chance(0.05)) return {};
  if (chance(0.5)) return { matchLabels: { app: `app-${below(3)}` } };
  return {
    matchExpressions: [
      {
        key: pick(['app', 'tier']),
        ...pick([
          { operator: 'In' as const, values: [`app-${below(3)}`, 'web'] },
          { operator: 'NotIn' as const, values: [`app-${below(3)}`, 'db'] },
          { operator: 'Exists' as const },
          { operator: 'DoesNotExist' as const },
        ]),
      },
    ],
  };
};

const nodeRequirement = ({ pick, below }: Dice): SelectorRequirement => {
  const key = pick(KEYS.filter((each) => each !== HOST));
  return pick<SelectorRequirement>([
    { key, operator: 'In', values: ['a', 'ssd', '5'] },
    { key, operator: 'NotIn', values: ['b', 'hdd', '10'] },
    { key, operator: 'Exists' },
    { key, operator: 'DoesNotExist' },
    { key: 'size', operator: 'Gt', values: [String(below(9) - 3)] },
    { key: 'size', operator: 'Lt', values: [String(below(9))] },
  ]);
};

const asksTier = (selector: LabelSelector): boolean =>
  selector.matchExpressions?.some((each) => each.key === 'tier') ?? false;

const termOf = (dice: Dice): PodAffinityTerm => {
  const { pick, chance } = dice;
  const labelSelector = chance(0.95) ? selectorOf(dice) : undefined;
  const byTier = labelSelector && !asksTier(labelSelector) && chance(0.3);
  return {
    topologyKey: pick([HOST, ZONE, 'disk']),
    ...(labelSelector && { labelSelector }),
    ...(byTier && { [pick(['matchLabelKeys', 'mismatchLabelKeys'])]: ['tier'] }),
    ...(chance(0.2) && { namespaces: ['ns-b'] }),
    ...(chance(0.2) && {
      namespaceSelector: pick([{}, { matchLabels: { team: 'a' } }, { matchLabels: { team: 'none' } }]),
    }),
  };
};

const tolerationOf = ({ pick, chance, below }: Dice): Toleration => {
  if (chance(0.15)) return { operator: 'Exists' };
  const effect = chance(0.7) ? { effect: pick(['NoSchedule', 'NoExecute'] as const) } : {};
  const key = pick(['dedicated', 'gpu', 'level', 'node.kubernetes.io/unschedulable']);
  if (chance(0.2) && !key.includes('/')) {
    return { key, operator: pick(['Gt', 'Lt'] as const), value: String(below(5) - 1), ...effect };
  }
  return chance(0.4) || key.includes('/')
    ? { key, operator: 'Exists', ...effect }
    : { key, operator: 'Equal', value: pick(['x', 'y', String(below(5))]), ...effect };
};

const affinityOf = (dice: Dice, nodes: readonly string[]): Affinity => {
  const { chance, pick } = dice;
  return {
    ...(chance(0.35) && {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: Array.from({ length: 1 + dice.below(2) }, () =>
            chance(0.15)
              ? {
                  matchFields: [
                    { key: 'metadata.name', operator: pick(['In', 'NotIn'] as const), values: [pick(nodes)] },
                  ],
                }
              : {
                  matchExpressions: [nodeRequirement(dice), ...(chance(0.3) ? [nodeRequirement(dice)] : [])],
                },
          ),
        },
      },
    }),
    ...(chance(0.25) && {
      podAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          termOf(dice),
          ...(chance(0.2) ? [termOf(dice)] : []),
        ],
      },
    }),
    ...(chance(0.3) && {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [termOf(dice)] },
    }),
  };
};

const spreadOf = (dice: Dice): TopologySpreadConstraint => {
  const { pick, chance, below } = dice;
  return {
    maxSkew: 1 + below(2),
    topologyKey: pick([HOST, ZONE, 'disk']),
    whenUnsatisfiable: pick(['DoNotSchedule', 'DoNotSchedule', 'ScheduleAnyway'] as const),
    ...(chance(0.95) && { labelSelector: selectorOf(dice) }),
    ...(chance(0.3) && { nodeAffinityPolicy: pick(['Honor', 'Ignore'] as const) }),
    ...(chance(0.3) && { nodeTaintsPolicy: pick(['Honor', 'Ignore'] as const) }),
  };
};

const withMinDomains = (dice: Dice, each: TopologySpreadConstraint): TopologySpreadConstraint => ({
  ...each,
  ...(each.whenUnsatisfiable === 'DoNotSchedule' && dice.chance(0.3) && { minDomains: 1 + dice.below(4) }),
  ...(each.labelSelector?.matchLabels === undefined &&
    each.labelSelector !== undefined &&
    dice.chance(0.2) && { matchLabelKeys: ['tier'] }),
});

const requestsOf = ({ pick, chance }: Dice): Record<string, string> => ({
  ...(chance(0.85) && { cpu: pick(['100m', '250m', '0.5', '1', '1100u']) }),
  ...(chance(0.85) && { memory: pick(['64Mi', '128e6', '256Mi', '0.5Gi', '1G']) }),
  ...(chance(0.1) && { 'ephemeral-storage': pick(['500Mi', '2Gi']) }),
});

interface PodWish {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly isRich: boolean;
  readonly volumes: CaseVolumes;
}

const podOf = (dice: Dice, { name, nodes, isRich, volumes }: PodWish): Pod => {
  const { chance, pick, below } = dice;
  const image = { image: 'none' };
  const gpu = chance(0.1) ? { [GPU]: '1' } : {};
  const ports = chance(0.2)
    ? [
        {
          containerPort: 80,
          hostPort: pick([8080, 9090]),
          protocol: pick(['TCP', 'UDP']),
          ...(chance(0.4) && { hostIP: pick(['10.0.0.1', '0.0.0.0', '127.0.0.1']) }),
        },
      ]
    : [];
  const container = (id: string) => ({ name: id, ...image, resources: { requests: requestsOf(dice) } });
  const init = chance(0.25)
    ? [
        { ...container('init-1'), ...(chance(0.5) && { restartPolicy: 'Always' }) },
        ...(chance(0.5) ? [container('init-2')] : []),
      ]
    : [];
  const spread = [
    ...new Map(
      (chance(0.35) ? [spreadOf(dice), ...(chance(0.3) ? [spreadOf(dice)] : [])] : [])
        .map((each) => withMinDomains(dice, each))
        .map((each) => [`${each.topologyKey} ${each.whenUnsatisfiable}`, each]),
    ).values(),
  ];
  const spec: PodSpec = {
    containers: [
      {
        name: 'main',
        ...image,
        resources: { requests: { ...requestsOf(dice), ...gpu }, limits: gpu },
        ports,
      },
      ...(chance(0.2) ? [container('second')] : []),
    ],
    ...(init.length > 0 && { initContainers: init }),
    ...(chance(0.1) && { resources: { requests: { cpu: '2', memory: '3Gi' } } }),
    ...(chance(0.2) && { nodeSelector: { [pick(['disk', ZONE])]: pick(['ssd', 'a', 'b']) } }),
    ...(chance(0.5) && { tolerations: Array.from({ length: 1 + below(2) }, () => tolerationOf(dice)) }),
    ...(isRich && { affinity: affinityOf(dice, nodes) }),
    ...(isRich && spread.length > 0 && { topologySpreadConstraints: spread }),
    terminationGracePeriodSeconds: 0,
  };
  const namespace = pick(['ns-a', 'ns-a', 'ns-b']);
  return {
    metadata: {
      name,
      namespace,
      labels: { app: `app-${below(3)}`, ...(chance(0.5) && { tier: pick(['web', 'db']) }) },
    },
    spec: { ...spec, ...mountsOf(dice, namespace, volumes) },
  };
};

/** The status of a pod that is being resized in place: allocated and actual resources differ from its requests. */
const resizing = (dice: Dice, pod: Pod): Pod => {
  const { chance, pick } = dice;
  if (!chance(0.35)) return pod;
  const amounts = () => ({ cpu: pick(['50m', '300m', '900m']), memory: pick(['32Mi', '300Mi', '700Mi']) });
  const infeasible = {
    type: 'PodResizePending',
    status: 'True' as const,
    reason: pick(['Infeasible', 'Deferred']),
  };
  return {
    ...pod,
    status: {
      phase: 'Running',
      containerStatuses: pod.spec.containers.map(({ name }) => ({
        name,
        ...(chance(0.8) && { allocatedResources: amounts() }),
        ...(chance(0.8) && { resources: { requests: amounts() } }),
      })),
      ...(pod.spec.resources && chance(0.5) && { resources: { requests: amounts() } }),
      ...(chance(0.4) && { conditions: [infeasible] }),
    },
  };
};

/** A random cluster with pods on it, and pods to ask about. */
export const caseOf = (seed: number, probes: number): Case => {
  const dice = diceFrom(seed);
  const nodes = Array.from({ length: 3 + dice.below(6) }, (_, n) => `c${seed}-n${n}`);
  const volumes = volumesFor(dice, `c${seed}`, nodes);
  const wish = (name: string, isRich: boolean): PodWish => ({ name, nodes, isRich, volumes });
  const made = nodes.map((name) => nodeOf(dice, name));
  const existing = Array.from({ length: dice.below(12) }, (_, n) => {
    const pod = podOf(dice, wish(`c${seed}-e${n}`, dice.chance(0.5)));
    return resizing(dice, { ...pod, spec: { ...pod.spec, nodeName: dice.pick(nodes) } });
  });
  const asked = Array.from({ length: probes }, (_, n) =>
    podOf(dice, wish(`c${seed}-p${n}`, dice.chance(0.8))),
  );
  return { seed, nodes: made, existing, probes: asked, volumes };
};
