import type { NodeClaimToAdd, RebalancePlan, RebalancePlanStatus } from '../../api/kinds/rebalanceplan.ts';
import {
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_INITIALIZED,
  KARPENTER_NODEPOOL,
  OWNED_BY,
  ZONE,
} from '../../api/labels.ts';
import type { KubeObject, Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import type { CapacityType } from '../../planner/model/capacitytype.ts';
import type { Offering } from '../../planner/model/catalogue.ts';
import { Offerings } from '../cloud/offerings.ts';
import { LOCKED_BY, PHASES, type Phase, PLAN_FINALIZER } from '../rebalanceplan/state/labels.ts';
import { specHashOf } from '../rebalanceplan/state/spechash.ts';
import type { ExecutionState } from '../rebalanceplan/state/state.ts';

/** Objects for decision tables: each is complete, and a case overrides only its own fields. */

export const NOW = Date.parse('2026-11-22T12:00:00Z');
export const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();

/** The mark of `plan()`. */
export const MARK = 'plan/plan-uid';

export const nodePool = (name = 'general', spec: Partial<NodePool['spec']> = {}): NodePool => ({
  metadata: {
    name,
    uid: `${name}-uid`,
    annotations: { 'karpenter.sh/nodepool-hash': '1', 'karpenter.sh/nodepool-hash-version': 'v3' },
  },
  spec: {
    disruption: { budgets: [{ nodes: '100%' }] },
    template: {
      metadata: { labels: { team: 'a' } },
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements: [],
        taints: [{ key: 'dedicated', value: 'x', effect: 'NoSchedule' }],
        expireAfter: '720h',
      },
    },
    ...spec,
  },
});

export const nodeClaim = (name: string, o: Partial<NodeClaim['metadata']> = {}, ready = true): NodeClaim => ({
  metadata: {
    name,
    uid: `${name}-uid`,
    creationTimestamp: ago(60),
    labels: { [KARPENTER_NODEPOOL]: 'general' },
    ...o,
  },
  spec: {
    nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
    requirements: [],
  },
  status: {
    providerID: `aws:///a/i-${name}`,
    conditions: [{ type: 'Initialized', status: ready ? 'True' : 'Unknown' }],
  },
});

export const node = (
  name: string,
  o: {
    readonly annotations?: Record<string, string>;
    readonly labels?: Record<string, string>;
    readonly spec?: Node['spec'];
    readonly ready?: boolean;
  } = {},
): Node => ({
  metadata: {
    name: `node-${name}`,
    annotations: o.annotations ?? {},
    labels: { [KARPENTER_INITIALIZED]: 'true', ...o.labels },
  },
  spec: { providerID: `aws:///a/i-${name}`, ...o.spec },
  status:
    o.ready === false
      ? {}
      : {
          conditions: [{ type: 'Ready', status: 'True' }],
          nodeInfo: { kubeletVersion: 'v1.36.3' },
          allocatable: { cpu: '4', memory: '16Gi', pods: '58' },
        },
});

/** An EC2NodeClass that an API server takes; it selects by its own name. */
export const ec2NodeClass = (name: string, spec: object): KubeObject => {
  const selector = { tags: { name } };
  return {
    apiVersion: 'karpenter.k8s.aws/v1',
    metadata: { name },
    spec: {
      role: 'node',
      amiSelectorTerms: [{ alias: 'al2023@latest' }],
      subnetSelectorTerms: [selector],
      securityGroupSelectorTerms: [selector],
      ...spec,
    },
  } as KubeObject;
};

export const locked = (name: string, o: Parameters<typeof node>[1] = {}): Node =>
  node(name, {
    ...o,
    annotations: { 'karpenter.sh/do-not-disrupt': 'true', [LOCKED_BY]: MARK, ...o.annotations },
  });

export const pod = (name: string, o: Partial<Pod['metadata']> = {}, owner = 'rs'): Pod => ({
  metadata: {
    name,
    namespace: 'shop',
    uid: `${name}-uid`,
    creationTimestamp: ago(60),
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: `${owner}-uid`, controller: true },
    ],
    ...o,
  },
  spec: { containers: [] },
  status: { phase: 'Running' },
});

export const toAdd = (
  name: string,
  types: readonly (readonly string[])[] = [['m5.large'], ['c5.large']],
): NodeClaimToAdd => ({
  metadata: { name, labels: { [KARPENTER_NODEPOOL]: 'general' } },
  spec: {
    nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
    requirements: [],
  },
  alternatives: types.map((values, i) => ({
    requirements: [
      { key: 'node.kubernetes.io/instance-type', operator: 'In', values: [...values] },
      { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
      { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a'] },
    ],
    priceHourly: String(0.1 + i / 100),
  })),
});

/** A running plan that has reached a phase. */
export const plan = (
  o: Partial<RebalancePlan['spec']> = {},
  status: RebalancePlanStatus = {},
  reached?: Phase,
): RebalancePlan => ({
  metadata: { name: 'plan', uid: 'plan-uid', finalizers: [PLAN_FINALIZER] },
  spec: { execute: true, ...o },
  status: {
    state: 'Running',
    startTime: ago(60),
    conditions: PHASES.slice(0, reached ? PHASES.indexOf(reached) + 1 : 0).map((type) => ({
      type,
      status: 'True' as const,
      lastTransitionTime: ago(5),
    })),
    ...status,
  },
});

const NOTHING = { cpu: 0, memory: 0, pods: 0, ephemeralStorage: 0, other: {} };

/** CPUs of a type by the size in its name, such as 4 for m5.xlarge. */
const cpusOf = (type: string): number => {
  const size = type.split('.')[1] ?? '';
  return size === 'large' ? 2 : 4 * (Number.parseInt(size, 10) || 1);
};

/** What the cloud sells, from prices in USD per hour by '<instance type>/<zone>/<capacity type>'. */
export const offerings = (prices: Readonly<Record<string, number>>): Offerings => {
  const types = new Map<string, Offering[]>();
  for (const [key, price] of Object.entries(prices)) {
    const [name = '', zone = '', capacityType = ''] = key.split('/');
    const offering = { zone, capacityType: capacityType as CapacityType, price, available: true };
    types.set(name, [...(types.get(name) ?? []), offering]);
  }
  return new Offerings({
    instanceTypes: [...types].map(([name, list]) => ({
      name,
      arch: 'amd64',
      os: ['linux'],
      labels: { [INSTANCE_TYPE]: name, 'karpenter.k8s.aws/instance-family': name.split('.')[0] ?? '' },
      capacity: { ...NOTHING, cpu: cpusOf(name) * 1000, memory: cpusOf(name) * 4 * 2 ** 30, pods: 58 },
      overhead: NOTHING,
      offerings: list,
    })),
  });
};

/** Labels of a machine that was launched as '<instance type>/<zone>/<capacity type>'. */
export const machineLabels = (offering: string): Record<string, string> => {
  const [type = '', zone = '', capacityType = ''] = offering.split('/');
  return { [INSTANCE_TYPE]: type, [ZONE]: zone, [KARPENTER_CAPACITY_TYPE]: capacityType };
};

export const PRICES = {
  'm5.large/us-west-2a/on-demand': 0.1,
  'c5.large/us-west-2a/on-demand': 0.11,
  'm5.xlarge/us-west-2a/on-demand': 0.2,
};
const OFFERINGS = offerings(PRICES);

export const executionState = (p: RebalancePlan, o: Partial<ExecutionState> = {}): ExecutionState => ({
  plan: p,
  specHash: specHashOf(p.spec),
  nodeClaims: new Map(),
  unknownClaims: new Set(),
  nodes: new Map(),
  pods: new Map(),
  podsOnKeptNodes: [],
  unscheduledPods: [],
  daemonSets: [],
  pendingDaemonPods: [],
  nodePools: new Map([['general', nodePool()]]),
  reservedUnderWay: new Map(),
  poolNodes: new Map([['general', { total: 10, disrupted: 0 }]]),
  claimFailures: new Map(),
  unavailable: [],
  zoneIds: new Map(),
  shiftedZones: [],
  placesOfOthers: new Set(),
  isEnabled: true,
  belowLimit: undefined,
  clusterNodes: { total: 10, unready: 0 },
  clusterHourly: undefined,
  surge: { soleReplicas: new Map(), detached: [], succeeded: new Set(), orphaned: new Set() },
  migration: { mode: 'auto', answerTimeoutMs: 30_000, timeoutMs: 600_000, plans: new Map() },
  pins: { connected: true, goneForMs: 0, acknowledged: true },
  webhook: undefined,
  pendingPods: [],
  rules: {
    budgets: [],
    mode: { ...p.spec.aggressiveMode, ignoreBlockingPDB: true },
    now: NOW,
    hasLocalVolume: () => false,
    willSurge: () => false,
  },
  evictionRetryAt: new Map(),
  offerings: OFFERINGS,
  poolUsage: new Map(),
  clusterCores: undefined,
  knowsLimits: true,
  unlaunched: 0,
  now: NOW,
  limits: {
    joinDeadlineMs: 600_000,
    drainTimeoutMs: 600_000,
    planExpiryMs: 86_400_000,
    executionTimeoutMs: 3_600_000,
    pinTimeoutMs: 15_000,
    pinHoldMs: 10_000,
    settleTimeoutMs: 120_000,
    maxSimultaneousDrains: 2,
    maxUnlaunchedNodeClaims: 10,
    haltPercent: 45,
    haltNodes: 3,
  },
  ...o,
});

/** Annotations of a NodeClaim that a plan created and has not released. */
export const reservedBy = (mark: string): Record<string, string> => ({
  'karpenter.sh/do-not-disrupt': 'true',
  [OWNED_BY]: mark,
});
