import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, ZONE } from '../../api/labels.ts';
import type { NodePool, Requirement } from '../../api/objects.ts';
import type { Cloud } from '../../cloud/cloud.ts';
import { allowedOfferings, type TypeOffering } from '../../planner/cluster/allowedofferings.ts';
import type { Catalogue, InstanceType, Offering } from '../../planner/model/catalogue.ts';
import { CountedPrices, type PriceFacts } from '../../planner/model/offers/countedprices.ts';
import { hasReservations, isOpenTo, reservedPrice } from '../../planner/model/offers/reservations.ts';
import type { Caches } from '../caches.ts';
import { nodeClassesIn } from '../snapshot.ts';

/** The NodeOverlays of Karpenter, the NodePools that they are for, and what tells what they look at. */
export interface OverlaySource extends PriceFacts {
  readonly nodePools: readonly NodePool[];
}

/** What the caches hold whenever it is asked for. */
export const overlaysIn =
  (caches: Pick<Caches, 'nodes' | 'nodePools' | 'nodeOverlays' | 'ec2NodeClasses' | 'autoNodeClasses'>) =>
  (): OverlaySource => ({
    nodes: caches.nodes.list(),
    nodePools: caches.nodePools.list(),
    nodeClasses: nodeClassesIn(caches),
    nodeOverlays: caches.nodeOverlays.list(),
  });

/** The NodePool of machines that are in none. */
const NO_POOL = '';

const NO_OVERLAYS: OverlaySource = { nodes: [], nodePools: [] };

/** Equal ids give equal offerings; all but the catalogue matters only where there are overlays or reservations. */
const idOf = (catalogue: Catalogue, source: OverlaySource): string => {
  const { nodeOverlays = [], nodePools, nodeClasses = [] } = source;
  if (nodeOverlays.length === 0 && !hasReservations(catalogue)) return '';
  const { told } = new CountedPrices(catalogue, source);
  return JSON.stringify([
    told.text,
    told.regionText,
    ...[...nodeOverlays, ...nodePools, ...nodeClasses].map(({ kind, metadata }) => [
      kind,
      metadata.name,
      metadata.uid,
      metadata.resourceVersion,
    ]),
  ]);
};

/** A standing machine of a reservation has its price whether or not the cloud's counts are known. */
const asReserved = (onDemand: Offering | undefined): Offering | undefined =>
  onDemand && { ...onDemand, capacityType: 'reserved', price: reservedPrice(onDemand.price) };

/** What the cloud sells, at the prices of one catalogue as Karpenter counts them. */
export class Offerings {
  readonly catalogue: Catalogue;
  readonly #types: ReadonlyMap<string, InstanceType>;
  readonly #prices: CountedPrices;
  readonly #pools: ReadonlyMap<string, NodePool>;

  constructor(catalogue: Catalogue, source = NO_OVERLAYS) {
    this.catalogue = catalogue;
    this.#types = new Map(catalogue.instanceTypes.map((type) => [type.name, type]));
    this.#prices = new CountedPrices(catalogue, source);
    this.#pools = new Map(source.nodePools.map((pool) => [pool.metadata.name, pool]));
  }

  /** Without a name, as overlays that name no NodePool have it; a NodePool that is not there has none. */
  #counted({ type, offering }: TypeOffering, poolName: string | undefined): Offering {
    const pool = this.#pools.get(poolName ?? '');
    return poolName !== undefined && !pool ? offering : this.#prices.offering(type, offering, pool);
  }

  type(name: string): InstanceType | undefined {
    return this.#types.get(name);
  }

  /** USD per hour for a NodePool, or for one that nobody knows; undefined when the catalogue has no such offering. */
  price(
    instanceType: string,
    zone: string,
    capacityType: string,
    poolName: string | undefined,
  ): number | undefined {
    const type = this.#types.get(instanceType);
    const sold = (as: string): Offering | undefined =>
      type?.offerings.find((o) => o.zone === zone && o.capacityType === as);
    const found =
      sold(capacityType) ?? (capacityType === 'reserved' ? asReserved(sold('on-demand')) : undefined);
    return type && found && this.#counted({ type, offering: found }, poolName).price;
  }

  /** USD per hour of a machine, by the labels of its Node or NodeClaim; undefined when that is not known. */
  priceOf(labels: Readonly<Record<string, string>> | undefined): number | undefined {
    return this.price(
      labels?.[INSTANCE_TYPE] ?? '',
      labels?.[ZONE] ?? '',
      labels?.[KARPENTER_CAPACITY_TYPE] ?? '',
      labels?.[KARPENTER_NODEPOOL] ?? NO_POOL,
    );
  }

  /** The same outside of the capacity reservation that the machine is in; undefined for one in none. */
  unreservedPriceOf(labels: Readonly<Record<string, string>> | undefined): number | undefined {
    return labels?.[KARPENTER_CAPACITY_TYPE] === 'reserved'
      ? this.priceOf({ ...labels, [KARPENTER_CAPACITY_TYPE]: 'on-demand' })
      : undefined;
  }

  /** The offerings that a NodeClaim of a NodePool with these requirements may become. */
  allowedBy(requirements: readonly Requirement[], poolName: string | undefined): readonly TypeOffering[] {
    const pool = this.#pools.get(poolName ?? '');
    const nodeClass = pool && this.#prices.nodeClassOf(pool);
    return allowedOfferings(requirements, this.catalogue)
      .filter(({ offering }) => isOpenTo(offering, nodeClass))
      .map((each) => ({ type: each.type, offering: this.#counted(each, poolName) }));
  }
}

/** Reads what the cloud sells now; undefined while its catalogue was never read. Indexed once per catalogue and overlays. */
export const createOfferingsReader = (
  cloud: Pick<Cloud, 'catalogue'>,
  sourceNow = (): OverlaySource => NO_OVERLAYS,
): (() => Promise<Offerings | undefined>) => {
  let last: { readonly offerings: Offerings; readonly id: string } | undefined;
  return async () => {
    const catalogue = await cloud.catalogue().catch(() => undefined);
    const source = sourceNow();
    if (!catalogue) return last?.offerings;
    const id = idOf(catalogue, source);
    if (last?.offerings.catalogue !== catalogue || last.id !== id) {
      last = { offerings: new Offerings(catalogue, source), id };
    }
    return last.offerings;
  };
};
