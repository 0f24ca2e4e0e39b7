import t from 'tap';
import type { NodeClaimToAdd, PodToMigrate, RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import type {
  DaemonSet,
  NodePool,
  Pod,
  PodSpec,
  Requirement,
  SelectorRequirement,
} from '../../api/objects.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { verifyPlan } from '../plan/verify.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './builders.ts';
import { smallCatalogue } from './randomcluster.ts';

/** Builders of small plans and of their faults, for tests of the plan's check. */

export const TYPE = 'node.kubernetes.io/instance-type';
export const ZONE = 'topology.kubernetes.io/zone';
export const CAPACITY = 'karpenter.sh/capacity-type';
export const HOST = 'kubernetes.io/hostname';

export const is = (key: string, ...values: string[]): SelectorRequirement => ({
  key,
  operator: 'In',
  values,
});
export const ask = (
  key: string,
  operator: SelectorRequirement['operator'],
  ...values: string[]
): SelectorRequirement => ({
  key,
  operator,
  ...(values.length > 0 && { values }),
});
export const LARGE = [is(TYPE, 'm5.large'), is(ZONE, 'us-west-2a'), is(CAPACITY, 'on-demand')];

export const claim = (
  requirements: readonly Requirement[] = LARGE,
  o: {
    readonly name?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly alternatives?: readonly (readonly Requirement[])[];
  } = {},
): NodeClaimToAdd =>
  ({
    metadata: { name: o.name ?? 'new', labels: { 'karpenter.sh/nodepool': 'default', ...o.labels } },
    spec: {
      nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
      requirements,
    },
    ...(o.alternatives && {
      alternatives: o.alternatives.map((each) => ({ requirements: each, priceHourly: '0.1' })),
    }),
  }) as unknown as NodeClaimToAdd;

export const move = (name: string, from: string, to: string): PodToMigrate => ({
  name,
  namespace: 'default',
  srcNode: from,
  dstNodeClaimName: to,
});

/** A plan for a small cluster, and the rules that it breaks. */
export interface Case {
  readonly cluster: Snapshot;
  readonly plan: Omit<RebalancePlanSpec, 'execute'>;
  readonly broken?: readonly string[];
}

/** A NodePool that leaves open everything except the given fields. */
export const openPool = (
  requirements: readonly Requirement[] = [],
  rest: Partial<NodePool['spec']> = {},
): NodePool => {
  const pool = makePool('default', { requirements });
  return { ...pool, spec: { ...pool.spec, ...rest } };
};

/** Pending pods, and one planned claim that they go to. */
export const provisioned = (
  pods: readonly Pod[],
  planned: NodeClaimToAdd,
  rest: Partial<Snapshot> = {},
): Pick<Case, 'cluster' | 'plan'> => ({
  cluster: makeSnapshot([], pods, { nodePools: [openPool()], ...rest }),
  plan: { nodeClaimsToAdd: [planned], podsToMigrate: pods.map((pod) => move(pod.metadata.name, '', 'new')) },
});

/** Node a, removed, with `pods`; node b, kept, with `podsOnB`. */
export const drained = (
  pods: readonly Pod[],
  o: {
    readonly podsOnB?: readonly Pod[];
    readonly b?: Parameters<typeof makeNode>[1];
    readonly rest?: Partial<Snapshot>;
    readonly moves?: readonly PodToMigrate[];
  } = {},
): Pick<Case, 'cluster' | 'plan'> => ({
  cluster: makeSnapshot([makeNode('a'), makeNode('b', o.b)], [...pods, ...(o.podsOnB ?? [])], o.rest),
  plan: {
    nodeClaimsToDelete: [{ nodeClaimName: 'claim-a' }],
    podsToMigrate: [...(o.moves ?? pods.map((pod) => move(pod.metadata.name, 'a', 'claim-b')))],
  },
});

export const on = (name: string, node: string, o: Parameters<typeof makePod>[1] = {}): Pod =>
  makePod(name, { node, ...o });
export const terminating = (pod: Pod): Pod => ({
  ...pod,
  metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' },
});
export const require1 = (
  key: string,
  operator: SelectorRequirement['operator'],
  ...values: string[]
): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [ask(key, operator, ...values)] }],
      },
    },
  },
});
export const apart = (app: string, topologyKey = HOST): Partial<PodSpec> => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey, labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});
export const beside = (app: string, topologyKey: string): Partial<PodSpec> => ({
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey, labelSelector: { matchLabels: { app } } },
      ],
    },
  },
});
export const spread = (app: string): Partial<PodSpec> => ({
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app } },
    },
  ],
});
export const withVolume = (name: string): Partial<PodSpec> => ({
  volumes: [{ name: 'data', persistentVolumeClaim: { claimName: name } }],
});
export const volumeIn = (zone: string): Partial<Snapshot> => ({
  persistentVolumeClaims: [{ metadata: { name: 'data', namespace: 'default' }, spec: { volumeName: 'pv' } }],
  persistentVolumes: [
    {
      metadata: { name: 'pv' },
      spec: { nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [is(ZONE, zone)] }] } } },
    },
  ],
});
export const agent = (cpu: string): DaemonSet => ({
  kind: 'DaemonSet',
  metadata: { name: 'agent', namespace: 'kube-system' },
  spec: { template: { spec: { containers: [{ name: 'agent', resources: { requests: { cpu } } }] } } },
});
export const withoutNodeName = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  nodeClaims: snapshot.nodeClaims.map(({ status, ...rest }) => ({
    ...rest,
    status: { ...(status?.providerID && { providerID: status.providerID }) },
  })),
});
export const changed = (given: Pick<Case, 'cluster' | 'plan'>, change: (cluster: Snapshot) => Snapshot) => ({
  ...given,
  cluster: change(given.cluster),
});
export const limitedPool = (
  limits: Readonly<Record<string, string>>,
  used: Readonly<Record<string, string>>,
): NodePool => ({
  ...openPool([], { limits }),
  status: { resources: used },
});
export const twoZones = [
  is(TYPE, 'm5.large'),
  is(ZONE, 'us-west-2a', 'us-west-2b'),
  is(CAPACITY, 'on-demand'),
];

/** Runs one test per case, named by its sentence. */
export const checkCases = (cases: Readonly<Record<string, Case>>): void => {
  for (const [name, { cluster, plan, broken = [] }] of Object.entries(cases)) {
    t.test(name, async (t) => {
      const faults = verifyPlan(cluster, smallCatalogue, { execute: false, ...plan });
      t.same(
        faults.map(({ rule }) => rule),
        broken,
        faults.map(({ message }) => message).join('\n'),
      );
      for (const fault of faults) {
        t.match(fault.message, /^[A-Z].*\.$/);
        for (const named of [fault.pod, fault.claim, fault.node]) {
          if (named) t.ok(fault.message.includes(named), `${fault.message} names ${named}`);
        }
      }
    });
  }
};
