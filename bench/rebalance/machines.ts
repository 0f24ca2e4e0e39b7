import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, ZONE } from '../../api/labels.ts';
import type { Node, NodeClaim, NodePool } from '../../api/objects.ts';
import { NODE_CLAIMS, NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';
import type { Amounts, Catalogue, InstanceType } from '../../planner/model/catalogue.ts';
import { forEach } from '../support/cluster.ts';
import type { Machine } from './fragments.ts';

/** Machines that have existed for long, written at once as Karpenter and its kwok provider would have written them. */

const TERMINATION = 'karpenter.sh/termination';
const PLAYED = { 'kwok.x-k8s.io/node': 'fake' };
const AT_ONCE = 16;

export const nodeNameOf = ({ name }: Machine): string => `kwok-${name}`;
const providerIdOf = (machine: Machine): string => `kwok://${nodeNameOf(machine)}`;

const quantities = (a: Amounts): Record<string, string> => ({
  cpu: `${a.cpu}m`,
  memory: String(a.memory),
  pods: String(a.pods),
  'ephemeral-storage': String(a.ephemeralStorage),
});

const allocatable = ({ capacity, overhead }: InstanceType): Record<string, string> =>
  quantities({
    ...capacity,
    cpu: capacity.cpu - overhead.cpu,
    memory: capacity.memory - overhead.memory,
  });

const labelsOf = (pool: NodePool, type: InstanceType, { name, zone }: Machine): Record<string, string> => ({
  ...type.labels,
  ...PLAYED,
  [KARPENTER_NODEPOOL]: pool.metadata.name,
  [ZONE]: zone,
  [KARPENTER_CAPACITY_TYPE]: 'on-demand',
  'karpenter.kwok.sh/kwoknodeclass': pool.spec.template.spec.nodeClassRef.name,
  'kubernetes.io/hostname': name,
});

const claimFor = (pool: NodePool, type: InstanceType, machine: Machine): NodeClaim => {
  const annotations = pool.metadata.annotations ?? {};
  const hashes = ['karpenter.sh/nodepool-hash', 'karpenter.sh/nodepool-hash-version'];
  const only = (key: string, value: string) => ({ key, operator: 'In' as const, values: [value] });
  return {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: {
      name: machine.name,
      finalizers: [TERMINATION],
      labels: labelsOf(pool, type, machine),
      annotations: { ...PLAYED, ...Object.fromEntries(hashes.map((key) => [key, annotations[key] ?? ''])) },
      ownerReferences: [
        {
          apiVersion: 'karpenter.sh/v1',
          kind: 'NodePool',
          name: pool.metadata.name,
          uid: pool.metadata.uid ?? '',
          blockOwnerDeletion: true,
        },
      ],
    },
    spec: {
      nodeClassRef: pool.spec.template.spec.nodeClassRef,
      requirements: [
        only(INSTANCE_TYPE, machine.instanceType),
        only(ZONE, machine.zone),
        only(KARPENTER_CAPACITY_TYPE, 'on-demand'),
        only('kubernetes.io/arch', 'amd64'),
        only('kubernetes.io/os', 'linux'),
      ],
      resources: { requests: { cpu: '1' } },
      expireAfter: 'Never',
    },
  };
};

const statusOf = (type: InstanceType, machine: Machine): object => ({
  providerID: providerIdOf(machine),
  nodeName: nodeNameOf(machine),
  capacity: quantities(type.capacity),
  allocatable: allocatable(type),
  conditions: ['Launched', 'Registered', 'Initialized', 'Ready'].map((condition) => ({
    type: condition,
    status: 'True',
    reason: condition,
    message: '',
    lastTransitionTime: new Date().toISOString(),
  })),
});

const nodeFor = (type: InstanceType, claim: NodeClaim, machine: Machine): Node => ({
  metadata: {
    name: nodeNameOf(machine),
    finalizers: [TERMINATION],
    labels: {
      ...claim.metadata.labels,
      'karpenter.sh/registered': 'true',
      'karpenter.sh/initialized': 'true',
    },
    annotations: claim.metadata.annotations ?? {},
    ownerReferences: [
      {
        apiVersion: 'karpenter.sh/v1',
        kind: 'NodeClaim',
        name: claim.metadata.name,
        uid: claim.metadata.uid ?? '',
        blockOwnerDeletion: true,
      },
    ],
  },
  spec: { providerID: providerIdOf(machine) },
  status: { capacity: quantities(type.capacity), allocatable: allocatable(type) },
});

/**
 * Creates NodeClaims and Nodes, and waits until all are ready. Karpenter must not run: it would act on half of them.
 */
export const makeMachines = async (
  client: KubeClient,
  pool: NodePool,
  catalogue: Catalogue,
  machines: readonly Machine[],
  timeoutMs: number,
): Promise<void> => {
  const types = new Map(catalogue.instanceTypes.map((type) => [type.name, type]));
  const make = async (machine: Machine): Promise<void> => {
    const type = types.get(machine.instanceType);
    if (!type) throw new Error(`the catalogue has no ${machine.instanceType}`);
    const claim = await client.create(NODE_CLAIMS, claimFor(pool, type, machine));
    const status = statusOf(type, machine);
    await client.patch(NODE_CLAIMS, { name: machine.name }, { status }, { subresource: 'status' });
    await client.create(NODES, nodeFor(type, claim, machine));
  };
  await forEach(machines, make, AT_ONCE);
  await until(
    `${machines.length} nodes ready`,
    async () => {
      const { items } = await client.list(NODES);
      const ready = items.filter(
        ({ spec, status }) =>
          status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') &&
          (spec?.taints ?? []).length === 0,
      );
      return ready.length >= machines.length;
    },
    { timeoutMs, everyMs: 1_000 },
  );
};
