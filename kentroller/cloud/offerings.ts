import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, ZONE } from '../../api/labels.ts';
import type { NodeOverlay, NodePool, Requirement } from '../../api/objects.ts';
import type { Cloud } from '../../cloud/cloud.ts';
import { allowedOfferings, type TypeOffering } from '../../planner/cluster/allowedofferings.ts';
import type { Catalogue, InstanceType } from '../../planner/model/catalogue.ts';
import { NodeOverlays, type PoolOverlays } from '../../planner/model/offers/nodeoverlay.ts';
import type { Caches } from '../caches.ts';

/** The NodeOverlays of Karpenter and the NodePools that they are for. */
export interface OverlaySource {
  readonly nodeOverlays: readonly NodeOverlay[];
  readonly nodePools: readonly NodePool[];
}

/** What the caches hold whenever it is asked for. */
export const overlaysIn =
  ({ nodeOverlays, nodePools }: Pick<Caches, keyof OverlaySource>) =>
  (): OverlaySource => ({ nodeOverlays: nodeOverlays.list(), nodePools: nodePools.list() });

const NO_OVERLAYS: OverlaySource = { nodeOverlays: [], nodePools: [] };

/** Equal ids give equal prices; NodePools matter only where there are overlays. */
const idOf = ({ nodeOverlays, nodePools }: OverlaySource): string =>
  nodeOverlays.length === 0
    ? ''
    : JSON.stringify(
        [...nodeOverlays, ...nodePools].map(({ metadata }) => [
          metadata.name,
          metadata.uid,
          metadata.resourceVersion,
        ]),
      );

/** What the cloud sells, at the prices of one catalogue as Karpenter counts them. */
export class Offerings {
  readonly catalogue: Catalogue;
  readonly #types: ReadonlyMap<string, InstanceType>;
  readonly #overlays: NodeOverlays;
  readonly #pools: ReadonlyMap<string, NodePool>;

  constructor(catalogue: Catalogue, source = NO_OVERLAYS) {
    this.catalogue = catalogue;
    this.#types = new Map(catalogue.instanceTypes.map((type) => [type.name, type]));
    this.#overlays = new NodeOverlays(source.nodeOverlays);
    this.#pools = new Map(source.nodePools.map((pool) => [pool.metadata.name, pool]));
  }

  #overlaysOf(poolName: string | undefined): PoolOverlays {
    return this.#overlays.of(this.#pools.get(poolName ?? ''));
  }

  type(name: string): InstanceType | undefined {
    return this.#types.get(name);
  }

  /** USD per hour for a NodePool; undefined when the catalogue has no such offering. */
  price(
    instanceType: string,
    zone: string,
    capacityType: string,
    poolName: string | undefined,
  ): number | undefined {
    const type = this.#types.get(instanceType);
    const found = type?.offerings.find((o) => o.zone === zone && o.capacityType === capacityType);
    return type && found && this.#overlaysOf(poolName).offering(type, found).price;
  }

  /** USD per hour of a machine, by the labels of its Node or NodeClaim; undefined when that is not known. */
  priceOf(labels: Readonly<Record<string, string>> | undefined): number | undefined {
    return this.price(
      labels?.[INSTANCE_TYPE] ?? '',
      labels?.[ZONE] ?? '',
      labels?.[KARPENTER_CAPACITY_TYPE] ?? '',
      labels?.[KARPENTER_NODEPOOL],
    );
  }

  /** The offerings that a NodeClaim of a NodePool with these requirements may become. */
  allowedBy(requirements: readonly Requirement[], poolName: string | undefined): readonly TypeOffering[] {
    const overlays = this.#overlaysOf(poolName);
    const allowed = allowedOfferings(requirements, this.catalogue);
    if (overlays.isEmpty) return allowed;
    return allowed.map(({ type, offering }) => ({ type, offering: overlays.offering(type, offering) }));
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
    const id = idOf(source);
    if (catalogue && (last?.offerings.catalogue !== catalogue || last.id !== id)) {
      last = { offerings: new Offerings(catalogue, source), id };
    }
    return last?.offerings;
  };
};
