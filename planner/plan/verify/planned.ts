import type { NodeClaimToAdd } from '../../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../../api/labels.ts';
import type { DaemonSet, NodePool, Pod, Taint } from '../../../api/objects.ts';
import { requirementsOfEach } from '../../../api/plans.ts';
import type { CapacityReservation, Catalogue, InstanceType, Offering } from '../../model/catalogue.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { Supply } from '../../model/supply.ts';
import { effectiveDaemonSets } from '../../scheduling/daemonpods.ts';
import { daemonSetsOn } from '../../scheduling/daemonset.ts';
import type { ReadRequests } from '../../scheduling/nodeinfo.ts';
import type { Requests } from '../../scheduling/noderesources.ts';
import type { PlanFault, PlanRule } from './fault.ts';
import { type Machine, type MachineReader, withHostname } from './machines.ts';
import type { Place } from './outcome.ts';
import type { Site } from './podrules.ts';
import { PoolBounds } from './poolbounds.ts';
import { LeastRoom, totalOf } from './room.ts';

/** A machine that a planned claim may become, with the pods of the plan and of DaemonSets on it. */
export interface PlannedMachine {
  readonly id: string;
  readonly site: Site;
  /** Requests of the DaemonSets' pods. */
  readonly daemons: Requests;
  readonly least: LeastRoom;
}

/** A planned claim and all machines that it may become, the first choice at the front. */
export interface PlannedClaim {
  readonly place: Place;
  readonly pool: string;
  readonly machines: readonly PlannedMachine[];
  readonly types: readonly InstanceType[];
  /** The offering of the lowest price that it may be ordered as; undefined where there is none. */
  readonly cheapest: Offering | undefined;
  readonly hasMinValues: boolean;
  /** Per alternative, the reservations that it may be launched into; undefined stands for none. */
  readonly reservations: readonly ReadonlySet<CapacityReservation | undefined>[];
}

/** The claim with the labels that the executor adds from its NodePool. */
const withPoolLabels = (planned: NodeClaimToAdd, pool: NodePool): NodeClaimToAdd => {
  const { template } = pool.spec;
  const { group, kind, name } = planned.spec.nodeClassRef;
  return {
    ...planned,
    metadata: {
      ...planned.metadata,
      labels: {
        ...template.metadata?.labels,
        ...planned.metadata.labels,
        [KARPENTER_NODEPOOL]: pool.metadata.name,
        [`${group}/${kind.toLowerCase()}`]: name,
      },
    },
  };
};

const daemonPod = (set: DaemonSet, node: string): Pod => ({
  metadata: {
    name: `${set.metadata.name}-on-${node}`,
    namespace: set.metadata.namespace ?? 'default',
    labels: set.spec.template.metadata?.labels ?? {},
  },
  spec: set.spec.template.spec,
});

/** Reads planned claims: their NodePools, and every machine that their alternatives allow. */
export class ClaimReader {
  readonly faults: PlanFault[] = [];
  readonly #pools: ReadonlyMap<string, NodePool>;
  readonly #daemonSets: readonly DaemonSet[];
  readonly #machines: MachineReader;
  readonly #catalogue: Catalogue;
  readonly #supply: Supply;
  readonly #bounds = new Map<NodePool, PoolBounds>();
  readonly #requestsOf: ReadRequests;
  readonly #least = new Map<Machine, LeastRoom>();
  readonly #daemons = new Map<string, { readonly sets: readonly DaemonSet[]; readonly daemons: Requests }>();

  constructor(
    snapshot: Snapshot,
    { catalogue, supply }: { readonly catalogue: Catalogue; readonly supply: Supply },
    machines: MachineReader,
    requestsOf: ReadRequests,
  ) {
    this.#catalogue = catalogue;
    this.#supply = supply;
    this.#pools = new Map(snapshot.nodePools.map((pool) => [pool.metadata.name, pool]));
    this.#daemonSets = effectiveDaemonSets(snapshot);
    this.#machines = machines;
    this.#requestsOf = requestsOf;
  }

  read(place: Place, planned: NodeClaimToAdd): PlannedClaim {
    const claim = planned.metadata.name;
    const name = planned.metadata.labels?.[KARPENTER_NODEPOOL] ?? '';
    const pool = this.#pools.get(name);
    const known = new Set<string>();
    const fault = (rule: PlanRule, text: string): void => {
      if (known.has(text)) return;
      known.add(text);
      this.faults.push({ rule, claim, message: `NodeClaim ${claim} ${text}.` });
    };
    if (!pool) {
      fault('UnknownNodePool', `is of NodePool '${name}', which is not in the cluster`);
      const none = { machines: [], types: [], cheapest: undefined, hasMinValues: false, reservations: [] };
      return { place, pool: name, ...none };
    }
    const { blocker } = this.#supply.of(pool);
    if (blocker !== undefined) fault('NodePoolClosed', `is of NodePool ${name}, which ${blocker}`);
    const labelled = withPoolLabels(planned, pool);
    const taints = (planned.spec.taints ?? pool.spec.template.spec.taints ?? []) as readonly Taint[];
    const types = new Set<InstanceType>();
    const machines: PlannedMachine[] = [];
    let cheapest: Offering | undefined;
    const reservations: ReadonlySet<CapacityReservation | undefined>[] = [];
    const alternatives = requirementsOfEach(planned);
    for (const requirements of alternatives) {
      const allowed = this.#machines.read(labelled, pool, requirements);
      for (const { rule, text } of allowed.broken) fault(rule, text);
      for (const type of allowed.types) types.add(type);
      reservations.push(allowed.reservations);
      if (allowed.cheapest && !(cheapest && cheapest.price <= allowed.cheapest.price))
        cheapest = allowed.cheapest;
      for (const machine of allowed.machines) machines.push(this.#planned(machine, place, taints));
    }
    // A claim that breaks another rule is refused with that one.
    if (known.size === 0) {
      for (const { field, text } of this.#boundsOf(pool).excesses(planned)) {
        fault('BeyondNodePool', `asks for more than NodePool ${name} gives: ${field} ${text}`);
      }
    }
    const hasMinValues = alternatives.flat().some(({ minValues }) => minValues !== undefined);
    return { place, pool: name, machines, types: [...types], cheapest, hasMinValues, reservations };
  }

  #boundsOf(pool: NodePool): PoolBounds {
    let bounds = this.#bounds.get(pool);
    if (!bounds) {
      bounds = new PoolBounds(pool, this.#catalogue);
      this.#bounds.set(pool, bounds);
    }
    return bounds;
  }

  #planned(machine: Machine, { name, pods }: Place, taints: readonly Taint[]): PlannedMachine {
    const { sets, daemons } = this.#daemonsFor(machine, taints);
    let least = this.#least.get(machine);
    if (!least) {
      least = new LeastRoom(machine.types);
      this.#least.set(machine, least);
    }
    const labels = withHostname(machine.labels, name);
    const all = sets.length > 0 ? [...pods, ...sets.map((set) => daemonPod(set, name))] : pods;
    return {
      id: machine.id,
      site: {
        name,
        labels,
        taints,
        unschedulable: false,
        pods: all,
        ...(machine.unknown && { unknownLabels: machine.unknown }),
      },
      daemons,
      least,
    };
  }

  #daemonsFor(machine: Machine, taints: readonly Taint[]) {
    const key = this.#daemonSets.length > 0 ? JSON.stringify([machine.id, taints]) : '';
    let daemons = this.#daemons.get(key);
    if (!daemons) {
      const sets = daemonSetsOn(this.#daemonSets, machine.labels, taints);
      daemons = {
        sets,
        daemons: totalOf(
          sets.map((set) => daemonPod(set, '')),
          this.#requestsOf,
        ),
      };
      this.#daemons.set(key, daemons);
    }
    return daemons;
  }
}
