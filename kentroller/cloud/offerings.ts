import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../api/labels.ts';
import type { Requirement } from '../../api/objects.ts';
import type { Cloud } from '../../cloud/cloud.ts';
import { allowedOfferings, type TypeOffering } from '../../planner/cluster/allowedofferings.ts';
import type { Catalogue, InstanceType } from '../../planner/model/catalogue.ts';

/** What the cloud sells, at the prices of one catalogue. */
export class Offerings {
  readonly catalogue: Catalogue;
  readonly #types: ReadonlyMap<string, InstanceType>;

  constructor(catalogue: Catalogue) {
    this.catalogue = catalogue;
    this.#types = new Map(catalogue.instanceTypes.map((type) => [type.name, type]));
  }

  type(name: string): InstanceType | undefined {
    return this.#types.get(name);
  }

  /** USD per hour; undefined when the catalogue has no such offering. */
  price(instanceType: string, zone: string, capacityType: string): number | undefined {
    return this.#types
      .get(instanceType)
      ?.offerings.find((o) => o.zone === zone && o.capacityType === capacityType)?.price;
  }

  /** USD per hour of a machine, by the labels of its Node or NodeClaim; undefined when that is not known. */
  priceOf(labels: Readonly<Record<string, string>> | undefined): number | undefined {
    return this.price(
      labels?.[INSTANCE_TYPE] ?? '',
      labels?.[ZONE] ?? '',
      labels?.[KARPENTER_CAPACITY_TYPE] ?? '',
    );
  }

  /** The offerings that a NodeClaim with these requirements may become. */
  allowedBy(requirements: readonly Requirement[]): readonly TypeOffering[] {
    return allowedOfferings(requirements, this.catalogue);
  }
}

/** Reads what the cloud sells now; undefined while its catalogue was never read. Indexed once per catalogue. */
export const createOfferingsReader = (
  cloud: Pick<Cloud, 'catalogue'>,
): (() => Promise<Offerings | undefined>) => {
  let last: Offerings | undefined;
  return async () => {
    const catalogue = await cloud.catalogue().catch(() => undefined);
    if (catalogue && last?.catalogue !== catalogue) last = new Offerings(catalogue);
    return last;
  };
};
