import { INSTANCE_TYPE, KARPENTER_NODEPOOL } from '../../api/labels.ts';
import { isReady } from '../../api/nodes.ts';
import type { CSINode, NodeClassObject, NodePool } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import type { Catalogue, InstanceType } from './catalogue.ts';
import { poolBlocker } from './nodepool.ts';
import { CountedPrices } from './offers/countedprices.ts';
import { podsToldBy, withKubelet } from './offers/kubelet.ts';
import { isStorageKnown, withNodeStorage } from './offers/nodestorage.ts';
import { besideUnderWay, hasReservations, isOpenTo, reservedUnderWay } from './offers/reservations.ts';
import { zonesOf } from './offers/told.ts';
import { type Sample, SeenMachines } from './seenmachines.ts';
import type { Snapshot } from './snapshot.ts';

/** What can be bought for one NodePool. */
export interface PoolSupply {
  /** The catalogue's types as the NodePool's machines will be: no larger than those that stand, where its class launches. */
  readonly types: readonly InstanceType[];
  /** Why nothing can be bought, to be read after the NodePool's name. */
  readonly blocker?: string;
}

/** What the cluster shows of machines that are yet to be bought. */
export interface Supply {
  readonly of: (pool: NodePool) => PoolSupply;
  /** The prices of its offerings, which standing machines have too. */
  readonly prices: CountedPrices;
  /** Label keys that some type of the catalogue has. */
  readonly keys: ReadonlySet<string>;
  /** The region of a zone, by the cluster's nodes or by its name. */
  readonly regionOf: (zone: string) => string | undefined;
}

/** What a snapshot has to say about machines. */
export type SupplyFacts = Pick<
  Snapshot,
  'nodes' | 'csiNodes' | 'nodePools' | 'nodeClasses' | 'nodeOverlays'
> &
  Partial<Pick<Snapshot, 'nodeClaims'>>;

const NO_FACTS: SupplyFacts = { nodes: [], csiNodes: [], nodePools: [] };

/** Id of the NodeClass object that a NodePool names. */
const classOf = ({ spec }: NodePool): string => {
  const { group, kind, name } = spec.template.spec.nodeClassRef;
  return `${group}/${kind}/${name}`;
};

const limitsByNode = (csiNodes: readonly CSINode[]): ReadonlyMap<string, Readonly<Record<string, number>>> =>
  new Map(
    csiNodes.map(({ metadata, spec }) => [
      metadata.name,
      Object.fromEntries(
        (spec?.drivers ?? []).flatMap(({ name, allocatable }) =>
          allocatable?.count === undefined ? [] : [[name, allocatable.count] as const],
        ),
      ),
    ]),
  );

const samplesOf = (facts: SupplyFacts): Sample[] => {
  const classes = new Map(facts.nodePools.map((pool) => [pool.metadata.name, classOf(pool)]));
  const limits = limitsByNode(facts.csiNodes);
  return facts.nodes.flatMap((node): Sample[] => {
    const { labels, deletionTimestamp, name } = node.metadata;
    const type = valueAt(labels, INSTANCE_TYPE);
    if (type === undefined || deletionTimestamp !== undefined || !isReady(node)) return [];
    const attachLimits = limits.get(name);
    return [
      {
        type,
        nodeClass: classes.get(valueAt(labels, KARPENTER_NODEPOOL) ?? '') ?? '',
        allocatable: node.status?.allocatable ?? {},
        ...(attachLimits && { attachLimits }),
      },
    ];
  });
};

/**
 * A cache by object identity, safe as module state: catalogues are never changed, and entries go with them. Plans of one
 * cluster mostly see the same machines, and equal types keep what was computed from them.
 */
const adjusted = new WeakMap<Catalogue, Map<string, readonly InstanceType[]>>();
const LEAST_VARIANTS = 32;

/** `most` are kept, the last used ones. */
const cached = (
  catalogue: Catalogue,
  id: string,
  most: number,
  make: () => readonly InstanceType[],
): readonly InstanceType[] => {
  const variants = adjusted.get(catalogue) ?? new Map<string, readonly InstanceType[]>();
  adjusted.set(catalogue, variants);
  const types = variants.get(id) ?? make();
  variants.delete(id);
  variants.set(id, types);
  for (const oldest of variants.keys()) {
    if (variants.size <= most) break;
    variants.delete(oldest);
  }
  return types;
};

/** Reads what a cluster shows of the machines of a catalogue, see docs/designs/0036-machines-as-they-are.md. */
export const supplyOf = (catalogue: Catalogue, facts: SupplyFacts = NO_FACTS): Supply => {
  const seen = new SeenMachines(samplesOf(facts), catalogue);
  const prices = new CountedPrices(catalogue, facts);
  const { keys, told } = prices;
  // Those of this state of the cluster and of the one before it.
  const mostVariants = Math.max(LEAST_VARIANTS, 2 * facts.nodePools.length);
  const isReserved = hasReservations(catalogue);
  const underWay = reservedUnderWay(catalogue, facts.nodeClaims ?? []);
  const typesOf = (pool: NodePool, nodeClass: NodeClassObject | undefined): readonly InstanceType[] => {
    const id = classOf(pool);
    const zones = zonesOf(nodeClass);
    const ofPool = prices.overlays.of(pool);
    const isAsTold = ofPool.isEmpty && seen.isEmpty && !nodeClass && told.text === '';
    if (isAsTold && !isReserved) return catalogue.instanceTypes;
    const reservations = isReserved ? [nodeClass?.status?.capacityReservations, [...underWay]] : [];
    const ofClass = nodeClass && [nodeClass.kind, nodeClass.spec, ...reservations];
    const text = JSON.stringify([zones && [...zones], ofClass, told.text, seen.textFor(id), ofPool.text]);
    return cached(catalogue, text, mostVariants, () =>
      catalogue.instanceTypes.map((original) => {
        const ofKubelet = withKubelet(original, nodeClass);
        // Machines of other classes have other disks, and those of other types may have some of their own.
        const byClass = {
          ...(nodeClass && podsToldBy(nodeClass)),
          isDiskCounted: nodeClass !== undefined && isStorageKnown(original, nodeClass),
        };
        const type = seen.has(original.name, id)
          ? seen.asSeen(withNodeStorage(ofKubelet, nodeClass), id, byClass)
          : withNodeStorage(seen.asSeen(ofKubelet, id, byClass), nodeClass);
        const launched = type.offerings.filter(
          (each) => (!zones || zones.has(each.zone)) && isOpenTo(each, nodeClass),
        );
        const offerings = launched.map((each) => told.offering(besideUnderWay(each, underWay), zones));
        return ofPool.type({ ...told.type(type), offerings });
      }),
    );
  };
  const known = new Map<NodePool, PoolSupply>();
  const kindsRead = new Set((facts.nodeClasses ?? []).map(({ kind }) => kind));
  return {
    keys,
    prices,
    regionOf: (zone) => told.regionOf(zone),
    of: (pool) => {
      let supply = known.get(pool);
      if (supply) return supply;
      const { kind, name } = pool.spec.template.spec.nodeClassRef;
      const nodeClass = prices.nodeClassOf(pool);
      const missing =
        kindsRead.has(kind) && !nodeClass
          ? `launches nothing: its ${kind} ${name} does not exist`
          : undefined;
      const blocker = poolBlocker(pool, nodeClass) ?? missing;
      supply = { types: typesOf(pool, nodeClass), ...(blocker !== undefined && { blocker }) };
      known.set(pool, supply);
      return supply;
    },
  };
};
