import type { NodeClaimToAdd } from '../../api/kinds/rebalanceplan.ts';
import { ZONE } from '../../api/labels.ts';
import type {
  Pod,
  PodSpec,
  Requirement,
  SelectorRequirement,
  TopologySpreadConstraint,
} from '../../api/objects.ts';
import { destinationOf, requirementsOfEach } from '../../api/plans.ts';
import { type Catalogue, catalogueFromKwok } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { verifyPlan } from '../plan/verify.ts';
import { type ProvisionResult, provision } from '../provision.ts';
import { type RebalanceResult, rebalance } from '../rebalance.ts';
import { makePod, makePool, makeSnapshot } from './builders.ts';

/** What the tests of planner/cases share: small price lists, and the facts that a plan is judged by. */

/** An entry of a price list; each zone has its own price where a list of prices is given. */
export interface Priced {
  readonly name: string;
  readonly cpu?: number;
  readonly memory?: string;
  readonly price?: number;
  readonly arch?: string;
  readonly os?: readonly string[];
  readonly zones?: readonly string[];
  readonly capacityTypes?: readonly string[];
  readonly resources?: Readonly<Record<string, string>>;
}

export const ZONES = ['us-west-2a', 'us-west-2b', 'us-west-2c'];

/** A price list in the format of Karpenter's kwok provider. */
export const priceList = (...entries: readonly Priced[]): Catalogue =>
  catalogueFromKwok(
    entries.map(({ name, cpu = 2, memory = '8Gi', price = 0.1, zones = ZONES, resources, ...rest }) => ({
      name,
      architecture: rest.arch ?? 'amd64',
      operatingSystems: rest.os ?? ['linux'],
      resources: { cpu: String(cpu), memory, pods: '110', ...resources },
      offerings: zones.flatMap((zone) =>
        (rest.capacityTypes ?? ['on-demand']).map((type) => ({
          Price: type === 'spot' ? price * 0.6 : price,
          Available: true,
          Requirements: [
            { key: 'karpenter.sh/capacity-type', operator: 'In', values: [type] },
            { key: 'topology.kubernetes.io/zone', operator: 'In', values: [zone] },
          ],
        })),
      ),
    })),
  );

/** Two zones, the m5 of three sizes in them, and a NodePool that takes any machine. */
export const TWO_ZONES = ['us-west-2a', 'us-west-2b'];
export const M5_LIST = priceList(
  { name: 'm5.large', cpu: 2, memory: '8Gi', price: 0.1, zones: TWO_ZONES },
  { name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2, zones: TWO_ZONES },
  { name: 'm5.2xlarge', cpu: 8, memory: '32Gi', price: 0.4, zones: TWO_ZONES },
);
/** Two sizes that are sold on demand and as spot, in two zones. */
export const M5_WITH_SPOT = priceList(
  { name: 'm5.large', cpu: 2, price: 0.1, zones: TWO_ZONES, capacityTypes: ['on-demand', 'spot'] },
  {
    name: 'm5.xlarge',
    cpu: 4,
    memory: '16Gi',
    price: 0.2,
    zones: TWO_ZONES,
    capacityTypes: ['on-demand', 'spot'],
  },
);
export const ANY_MACHINE = { nodePools: [makePool('default', { requirements: [] })] };

/** A required spread over zones of the pods with the label app=s. */
export const spreadOverZones = (more: Partial<TopologySpreadConstraint> = {}): Partial<PodSpec> => ({
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 's' } },
      ...more,
    },
  ],
});

/** A pod's required node affinity: one of the terms, each of whose requirements must be met. */
export const requiresNode = (...terms: readonly (readonly SelectorRequirement[])[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: terms.map((matchExpressions) => ({ matchExpressions })),
      },
    },
  },
});

/** One container for each request of CPU. */
export const containersOf = (...cpus: readonly string[]): PodSpec['containers'] =>
  cpus.map((cpu, n) => ({ name: `c${n}`, resources: { requests: { cpu } } }));

const REQUEST = { now: Date.parse('2026-01-02T00:00:00Z'), seed: 1, planName: 'p', rounds: 300 };

/** Plans for pending pods; throws where the check refuses the plan. */
export const provisioned = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  more: { readonly preferences?: 'Respect' | 'Ignore' } = {},
): ProvisionResult => {
  const result = provision({ ...REQUEST, ...more, snapshot, catalogue });
  checkFaults(snapshot, catalogue, result);
  return result;
};

/** What is bought on an empty cluster for these pods, or for one pod of this spec. */
export const bought = (
  pods: readonly Pod[] | Partial<PodSpec>,
  list: Catalogue = M5_LIST,
  rest: object = ANY_MACHINE,
) =>
  provisioned(
    makeSnapshot([], Array.isArray(pods) ? pods : [makePod('p', { spec: pods as Partial<PodSpec> })], rest),
    list,
  );

/** Plans cheaper nodes; throws where the check refuses the plan. */
export const rebalanced = (snapshot: Snapshot, catalogue: Catalogue): RebalanceResult => {
  const result = rebalance({ ...REQUEST, snapshot, catalogue });
  checkFaults(snapshot, catalogue, result);
  return result;
};

const checkFaults = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  { plan }: Pick<ProvisionResult | RebalanceResult, 'plan'>,
): void => {
  const faults = plan ? verifyPlan(snapshot, catalogue, plan.spec) : [];
  if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('\n'));
};

/** The names of pods that found no place. */
export const unplacedOf = ({ unplaced }: Pick<ProvisionResult, 'unplaced'>): readonly string[] =>
  unplaced.map(({ name }) => name);

type Planned = Pick<ProvisionResult | RebalanceResult, 'plan'>;

export const claimsOf = ({ plan }: Planned): readonly NodeClaimToAdd[] => plan?.spec.nodeClaimsToAdd ?? [];

/** The NodeClaims that a plan deletes, in order of their names. */
export const deletedBy = ({ plan }: Planned): readonly string[] =>
  (plan?.spec.nodeClaimsToDelete ?? []).map(({ nodeClaimName }) => nodeClaimName).sort();

/** The names of pods that a plan puts together, per destination in order of names. */
export const groupsOf = ({ plan }: Planned): readonly (readonly string[])[] => {
  const byClaim = Map.groupBy(plan?.spec.podsToMigrate ?? [], destinationOf);
  return [...byClaim.values()].map((pods) => pods.map(({ name }) => name).sort()).sort();
};

/** The values of a label that a claim allows, one sorted list per requirement set: the first and all alternatives. */
export const allowedValues = (claim: NodeClaimToAdd, key: string): readonly (readonly string[])[] =>
  [claim.spec.requirements as readonly Requirement[], ...requirementsOfEach(claim)].map((list) =>
    [...(list.find((each) => each.key === key)?.values ?? [])].sort(),
  );

/** The same as one sorted list of all values. */
export const everyValue = (planned: Planned, key: string): readonly string[] =>
  [...new Set(claimsOf(planned).flatMap((claim) => allowedValues(claim, key).flat()))].sort();

/** The pods in another order, by a permutation of their indices. */
export const inOrder = (snapshot: Snapshot, pods: readonly Pod[]): Snapshot => ({ ...snapshot, pods });
