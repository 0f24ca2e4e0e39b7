import type { MustGo } from '../../api/kinds/mustgo.ts';
import type { RebalancePlanSpec } from '../../api/kinds/rebalanceplan.ts';
import type { Pod } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Catalogue } from '../model/catalogue.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { supplyOf } from '../model/supply.ts';
import { memoizeRequests, type ReadRequests, readAmounts } from '../scheduling/nodeinfo.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import { attachmentFaults } from './verify/attachments.ts';
import { mustGoFaults } from './verify/cost.ts';
import type { PlanFault } from './verify/fault.ts';
import { limitFaults } from './verify/limits.ts';
import { MachineReader } from './verify/machines.ts';
import { ArrivalOrder } from './verify/order.ts';
import { nodesOfClaims, outcomeOf, type Place } from './verify/outcome.ts';
import { ClaimReader, type PlannedClaim, type PlannedMachine } from './verify/planned.ts';
import { PodRules, type Site } from './verify/podrules.ts';
import { reservationFaults } from './verify/reservations.ts';
import { totalOf } from './verify/room.ts';
import { selectedKeys } from './verify/selectedkeys.ts';
import { zonalShiftFaults } from './verify/zonalshift.ts';

/** The resource of which the arrivals request more than is free; undefined when all have room. */
const lackingResource = (
  requests: Requests,
  total: Requests,
  roomOf: (resource: string) => number,
): string | undefined => {
  for (const [resource, value] of requests) {
    if (value > 0 && (total.get(resource) ?? 0) > roomOf(resource)) return resource;
  }
  return undefined;
};

/** One pod per class of arrivals: pods of a class get the same verdict on a node. */
const oneOfEach = (rules: PodRules, arrivals: readonly Pod[]): Iterable<Pod> => {
  const found = new Map<string, Pod>();
  for (const pod of arrivals) {
    const { id } = rules.classOf(pod);
    if (!found.has(id)) found.set(id, pod);
  }
  return found.values();
};

/** Checks the nodes that stay and get pods: room, and every rule of kube-scheduler. */
const checkNode = (
  place: Place,
  at: number,
  site: Site,
  rules: PodRules,
  order: ArrivalOrder,
  requestsOf: ReadRequests,
): PlanFault[] => {
  const { name: node, arrivals } = place;
  const room = readAmounts(place.node?.status?.allocatable);
  const total = totalOf(place.pods, requestsOf);
  const lacking = lackingResource(totalOf(arrivals, requestsOf), total, (each) => room.get(each) ?? 0);
  const faults: PlanFault[] = [];
  if (lacking !== undefined) {
    const pod = podName(
      arrivals.find((each) => (requestsOf(each).get(lacking) ?? 0) > 0) ?? (arrivals[0] as Pod),
    );
    const message = `Pod ${pod} and the others that come to node ${node} ask for more ${lacking} than it has left.`;
    faults.push({ rule: 'NodeResourcesFit', pod, node, message });
  }
  for (const arrival of oneOfEach(rules, arrivals)) {
    const refused = order.refusal(arrival, at, site);
    if (!refused) continue;
    const pod = podName(arrival);
    const message = `Pod ${pod} can't go to node ${node}: ${refused.message}.`;
    faults.push({ rule: refused.code, pod, node, message });
  }
  return faults;
};

const machineName = ({ site }: PlannedMachine, type: string, keys: readonly string[]): string => {
  const labels = keys.flatMap((key) =>
    valueAt(site.labels, key) === undefined ? [] : [`${key}=${valueAt(site.labels, key)}`],
  );
  return [...(type ? [type] : []), ...labels].join(', ');
};

/** Checks a planned claim as each machine that it may become. */
const checkClaim = (
  { place, machines }: PlannedClaim,
  at: number,
  rules: PodRules,
  order: ArrivalOrder,
  requestsOf: ReadRequests,
  keys: readonly string[],
): PlanFault[] => {
  const faults: PlanFault[] = [];
  const claim = place.name;
  const [first] = place.arrivals;
  if (!first) return faults;
  const arriving = totalOf(place.arrivals, requestsOf);
  const seen = new Set<string>();
  const short = new Set<string>();
  for (const machine of machines) {
    for (const [resource, value] of arriving) {
      const { room, type } = machine.least.of(resource);
      if (value <= 0 || value + (machine.daemons.get(resource) ?? 0) <= room || short.has(resource)) continue;
      short.add(resource);
      const pod = podName(place.arrivals.find((each) => (requestsOf(each).get(resource) ?? 0) > 0) ?? first);
      const message = `Pod ${pod} and the others of NodeClaim ${claim} ask for more ${resource} than it gives as ${type}.`;
      faults.push({ rule: 'NodeResourcesFit', pod, claim, message });
    }
    if (seen.has(machine.id)) continue;
    seen.add(machine.id);
    for (const arrival of oneOfEach(rules, place.arrivals)) {
      const refused = order.refusal(arrival, at, machine.site);
      if (!refused) continue;
      const pod = podName(arrival);
      const as = machineName(machine, '', keys);
      const message = `Pod ${pod} can't go to NodeClaim ${claim}${as ? ` with ${as}` : ''}: ${refused.message}.`;
      faults.push({ rule: refused.code, pod, claim, message });
    }
  }
  return faults;
};

/**
 * Checks pods with rules on other nodes while a claim becomes another machine than its first choice: where it holds
 * pods that they look at, or opens a domain of spread. The other claims stay at their first choice.
 */
const checkBeside = (
  claims: ReadonlyMap<number, PlannedClaim>,
  sites: readonly Site[],
  places: readonly Place[],
  rules: PodRules,
  topology: readonly string[],
): PlanFault[] => {
  if (topology.length === 0) return [];
  const ruled = places.flatMap(({ arrivals }, at) =>
    [...oneOfEach(rules, arrivals)].filter((pod) => rules.classOf(pod).hasRules).map((pod) => ({ pod, at })),
  );
  if (ruled.length === 0) return [];
  const faults: PlanFault[] = [];
  const domains = new Set(
    sites.flatMap(({ labels }) => topology.map((key) => `${key}=${valueAt(labels, key)}`)),
  );
  const opened = new Set<string>();
  const domainsOf = ({ labels }: Site): string => JSON.stringify(topology.map((key) => valueAt(labels, key)));
  for (const [changed, { machines, place }] of claims) {
    const seen = new Set(machines.slice(0, 1).map(({ site }) => domainsOf(site)));
    for (const { site } of machines) {
      const id = domainsOf(site);
      if (seen.has(id)) continue;
      seen.add(id);
      const isNew =
        topology.some((key) => !domains.has(`${key}=${valueAt(site.labels, key)}`)) && !opened.has(id);
      if (isNew) opened.add(id);
      for (const { pod: arrival, at } of ruled) {
        if (at === changed || !(isNew || rules.looksAt(arrival, changed))) continue;
        const refused = rules.refusalBeside(arrival, at, changed, site);
        if (!refused) continue;
        const pod = podName(arrival);
        const message = `Pod ${pod} can't go to ${places[at]?.name} once NodeClaim ${place.name} is in ${topology.map((key) => valueAt(site.labels, key)).join(', ')}: ${refused.message}.`;
        faults.push({ rule: refused.code, pod, claim: place.name, message });
      }
    }
  }
  return faults;
};

/**
 * Checks a finished plan by kube-scheduler's filters, the catalogue and the cluster's objects alone, see
 * docs/designs/0014-plans-are-verified.md; preferences are not checked. `mustGo` are the nodes that were asked for as ones
 * that must go. Returns every fault, none when the plan can be carried out; throws a QuantityError.
 */
export const verifyPlan = (
  snapshot: Snapshot,
  catalogue: Catalogue,
  spec: RebalancePlanSpec,
  mustGo: Readonly<Record<string, MustGo>> = {},
): PlanFault[] => {
  const requestsOf = memoizeRequests();
  // 1. The final place of every pod.
  const { places, faults: moves } = outcomeOf(snapshot, spec);
  const arrivals = places.flatMap((place) => place.arrivals);
  const everyPod = places.flatMap((place) => place.pods);
  const keys = selectedKeys(snapshot, arrivals, everyPod);
  // 2. The machines that the planned claims may become.
  const supply = supplyOf(catalogue, snapshot);
  const machines = new MachineReader(supply, keys.all);
  const reader = new ClaimReader(snapshot, { catalogue, supply }, machines, requestsOf);
  const claims = new Map<number, PlannedClaim>();
  places.forEach((place, at) => {
    if (place.planned) claims.set(at, reader.read(place, place.planned));
  });
  const sites = places.map((place, at): Site => {
    const { name, node, pods } = place;
    const first = claims.get(at)?.machines[0]?.site;
    if (first) return first;
    const { taints = [], unschedulable = false } = node?.spec ?? {};
    return { name, labels: node?.metadata.labels ?? {}, taints, unschedulable, pods };
  });
  const limits = limitFaults(snapshot, [...claims.values()]);
  const nodeNames = nodesOfClaims(snapshot);
  const money = mustGoFaults(snapshot, { catalogue, supply }, spec, {
    asked: mustGo,
    nodeOf: (claim) => snapshot.nodes.find(({ metadata }) => metadata.name === nodeNames.get(claim)),
    claims: claims.values(),
  });
  // 3. Whether each pod may be at its final place.
  const rules = new PodRules(snapshot, sites);
  const coming = places.flatMap((place, at) => place.arrivals.map((pod) => ({ pod, at })));
  const order = new ArrivalOrder(snapshot, sites, coming, rules);
  const fits = places.flatMap((place, at) => {
    const claim = claims.get(at);
    if (claim) return checkClaim(claim, at, rules, order, requestsOf, keys.all);
    const site = sites[at];
    return site && place.arrivals.length > 0 ? checkNode(place, at, site, rules, order, requestsOf) : [];
  });
  return [
    ...moves,
    ...reader.faults,
    ...limits,
    ...reservationFaults(claims.values()),
    ...money,
    ...zonalShiftFaults(places, catalogue.shiftedZones),
    ...attachmentFaults(snapshot, places, claims.values()),
    ...fits,
    ...checkBeside(claims, sites, places, rules, keys.topology),
  ];
};
