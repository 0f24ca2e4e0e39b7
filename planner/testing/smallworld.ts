import type { DaemonSet, Pod, PodSpec, Requirement } from '../../api/objects.ts';
import { destinationName, destinationOf, requirementsOfEach } from '../../api/plans.ts';
import { type Catalogue, catalogueFromKwok } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { verifyPlan } from '../plan/verify.ts';
import { type ProvisionResult, provision } from '../provision.ts';
import { type RebalanceRequest, type RebalanceResult, rebalance } from '../rebalance.ts';
import { makePod } from './builders.ts';

export const NOW = Date.parse('2026-01-02T00:00:00Z');

/** A price list for us-west-2a and b: name, CPU, memory, USD per hour; 100m and 10Mi of each are the kubelet's. */
export const machinesOf = (...entries: readonly (readonly [string, number, string, number])[]): Catalogue =>
  catalogueFromKwok(
    entries.map(([name, cpu, memory, Price]) => ({
      name,
      architecture: 'amd64',
      operatingSystems: ['linux'],
      resources: { cpu: String(cpu), memory, pods: '58' },
      offerings: [
        {
          Price,
          Requirements: [
            { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
            { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a', 'us-west-2b'] },
          ],
        },
      ],
    })),
  );

/** m5.large, m5.xlarge and m5.4xlarge. */
export const machines = machinesOf(
  ['m5.large', 2, '8Gi', 0.096],
  ['m5.xlarge', 4, '16Gi', 0.192],
  ['m5.4xlarge', 16, '64Gi', 0.768],
);

const requestOf = (snapshot: Snapshot, catalogue: Catalogue) => ({
  snapshot,
  catalogue,
  now: NOW,
  seed: 1,
  planName: 'plan',
  rounds: 100,
});

const check = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  { plan }: Pick<RebalanceResult, 'plan'>,
  mustGo?: RebalanceRequest['mustGo'],
): void => {
  const faults = plan ? verifyPlan(snapshot, catalogue, plan.spec, mustGo) : [];
  if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join(' '));
};

/** Plans for pending pods; throws where the check refuses the plan. */
export const provisionFor = (snapshot: Snapshot, catalogue = machines): ProvisionResult => {
  const result = provision(requestOf(snapshot, catalogue));
  check(snapshot, catalogue, result);
  return result;
};

/** Plans for cheaper nodes; throws where the check refuses the plan. */
export const rebalanceOf = (
  snapshot: Snapshot,
  more: Partial<RebalanceRequest> = {},
  catalogue = machines,
): RebalanceResult => {
  const result = rebalance({ ...requestOf(snapshot, catalogue), ...more });
  check(snapshot, catalogue, result, more.mustGo);
  return result;
};

/** Per claim that a plan adds, the instance types of its alternatives, each once. */
export const typesOf = ({ plan }: Pick<RebalanceResult, 'plan'>): string[][] =>
  (plan?.spec.nodeClaimsToAdd ?? []).map((claim) => {
    const lists = [claim.spec.requirements as readonly Requirement[], ...requirementsOfEach(claim)];
    const values = lists.flatMap((list) =>
      list.flatMap(({ key, values }) => (key === 'node.kubernetes.io/instance-type' ? (values ?? []) : [])),
    );
    return [...new Set(values)].sort();
  });

/** The names of the NodeClaims that a plan deletes. */
export const deletedBy = ({ plan }: Pick<RebalanceResult, 'plan'>): string[] =>
  (plan?.spec.nodeClaimsToDelete ?? []).map(({ nodeClaimName }) => nodeClaimName).sort();

/** A pod's move in a plan: the NodeClaim or node where it goes; undefined without one. */
export const moveOf = ({ plan }: Pick<RebalanceResult, 'plan'>, name: string): string | undefined => {
  const move = plan?.spec.podsToMigrate?.find((each) => each.name === name);
  return move && destinationName(destinationOf(move));
};

/** A DaemonSet that tolerates everything; its pods are those of makeDaemonPod. */
export const makeDaemonSet = (name: string, resources: object, spec: Partial<PodSpec> = {}): DaemonSet => ({
  kind: 'DaemonSet',
  metadata: { name, namespace: 'default', uid: `rs-${name}` },
  spec: {
    template: {
      metadata: { labels: { app: name } },
      spec: { tolerations: [{ operator: 'Exists' }], containers: [{ name: 'main', resources }], ...spec },
    },
  },
});

/** A pod of a DaemonSet of makeDaemonSet on a node. */
export const makeDaemonPod = (
  set: string,
  node: string,
  o: { readonly cpu?: number; readonly created?: string } = {},
): Pod => {
  const pod = makePod(`${set}-${node}`, {
    node,
    app: set,
    owner: 'DaemonSet',
    cpu: o.cpu ?? 100,
    memory: 64,
  });
  return {
    ...pod,
    metadata: { ...pod.metadata, creationTimestamp: o.created ?? '2026-01-01T00:00:00Z' },
  };
};
