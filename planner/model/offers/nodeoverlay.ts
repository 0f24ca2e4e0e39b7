import { ARCH, INSTANCE_TYPE, KARPENTER_NODEPOOL, OS } from '../../../api/labels.ts';
import type { NodeOverlay, NodePool, Requirement } from '../../../api/objects.ts';
import { amount } from '../../../api/quantity.ts';
import { putAt, valueAt } from '../../../api/records/valueat.ts';
import type { InstanceType, Offering } from '../catalogue.ts';
import { canonicalKey } from '../machinelabels.ts';
import { OFFERING_LABELS, offeringLabel, type RegionOfZone } from './offeringlabels.ts';
import { meets } from './requirement.ts';
import type { ToldFacts } from './told.ts';

type Labels = Readonly<Record<string, string>>;

/** Where zones are. */
type Regions = Pick<ToldFacts, 'regionOf' | 'regionText'>;

/** Karpenter's NodeOverlays as it applies them: pkg/controllers/nodeoverlay and cloudprovider.AdjustedPrice. */

/** The verdict of Karpenter's own check, which finds conflicts too; it gives none while its feature gate is off. */
const verdictOf = ({ status }: NodeOverlay): { readonly isAccepted: boolean; readonly reason?: string } => {
  const found = status?.conditions?.find(({ type }) => type === 'ValidationSucceeded');
  return { isAccepted: found?.status === 'True', ...(found?.reason && { reason: found.reason }) };
};

/** What counts for nothing, each with the reason. */
export const overlaysNotInForce = (
  overlays: readonly NodeOverlay[],
): readonly { readonly name: string; readonly reason: string }[] =>
  overlays.flatMap((overlay) => {
    const { isAccepted, reason } = verdictOf(overlay);
    return isAccepted ? [] : [{ name: overlay.metadata.name, reason: reason ?? 'not checked' }];
  });

/** Larger weights first, then names later in the alphabet. */
const byPrecedence = (a: NodeOverlay, b: NodeOverlay): number => {
  const weights = (b.spec.weight ?? 0) - (a.spec.weight ?? 0);
  if (weights !== 0) return weights;
  return a.metadata.name > b.metadata.name ? -1 : Number(a.metadata.name < b.metadata.name);
};

/** The price after a change: '0.05' sets it, '+0.1', '-0.1', '+10%' and '-10%' move it, never below 0. */
export const changedPrice = (price: number, change: string): number => {
  const isRelative = /^[+-]/.test(change);
  const value = Number(change.replace(/%$/, ''));
  if (change === '' || !Number.isFinite(value)) return price;
  if (!isRelative) return value;
  return Math.max(0, change.endsWith('%') ? price * (1 + value / 100) : price + value);
};

/** An offering at another list price, with our own discounts taken off that one. */
const atListPrice = (offering: Offering, list: number): Offering => {
  const old = offering.listPrice ?? offering.price;
  const share = old > 0 ? list / old : 0;
  const { covered } = offering;
  return {
    ...offering,
    price: offering.listPrice === undefined || old <= 0 ? list : offering.price * share,
    ...(offering.listPrice !== undefined && { listPrice: list }),
    ...(covered && { covered: { ...covered, price: covered.price * share } }),
  };
};

/** One overlay for the machines of one NodePool. */
class PoolOverlay {
  readonly name: string;
  readonly change: string | undefined;
  readonly capacity: Readonly<Record<string, string>>;
  readonly #ofType: readonly Requirement[];
  readonly #ofOffering: readonly Requirement[];
  readonly #labels: Labels;
  readonly #regions: RegionOfZone;

  constructor({ metadata, spec }: NodeOverlay, labels: Labels, regions: Regions) {
    this.name = metadata.name;
    const requirements = (spec.requirements ?? []).map((each) => ({ ...each, key: canonicalKey(each.key) }));
    this.change = spec.price ?? spec.priceAdjustment;
    this.capacity = spec.capacity ?? {};
    this.#ofType = requirements.filter(({ key }) => !OFFERING_LABELS.has(key));
    this.#ofOffering = requirements.filter(({ key }) => OFFERING_LABELS.has(key));
    this.#labels = labels;
    this.#regions = { get: (zone) => regions.regionOf(zone) };
  }

  #valuesOf(type: InstanceType, key: string): readonly (string | undefined)[] {
    switch (key) {
      case INSTANCE_TYPE:
        return [type.name];
      case OS:
        return type.os;
      case ARCH:
        return [type.arch];
      default:
        return [valueAt(type.labels, key) ?? valueAt(this.#labels, key)];
    }
  }

  matchesType(type: InstanceType): boolean {
    return this.#ofType.every((each) => this.#valuesOf(type, each.key).some((value) => meets(each, value)));
  }

  matchesOffering(offering: Offering): boolean {
    return this.#ofOffering.every((each) => meets(each, offeringLabel(offering, each.key, this.#regions)));
  }
}

/** Whether an overlay may be for machines of a NodePool: no type has a label that names one. */
const canMatch = ({ spec }: NodeOverlay, labels: Labels): boolean =>
  (spec.requirements ?? []).every(
    (each) => each.key !== KARPENTER_NODEPOOL || meets(each, valueAt(labels, KARPENTER_NODEPOOL)),
  );

/** What overlays ask of a NodePool's labels; its name has been asked for by `canMatch`. */
const keysIn = (overlays: readonly NodeOverlay[]): readonly string[] => {
  const keys = new Set(
    overlays.flatMap(({ spec }) => (spec.requirements ?? []).map(({ key }) => canonicalKey(key))),
  );
  keys.delete(KARPENTER_NODEPOOL);
  return [...keys].sort();
};

/** The overlays in force for one NodePool, or for machines of nobody that is known. */
export class PoolOverlays {
  readonly #overlays: readonly PoolOverlay[];
  /** Equal texts change equal types in the same way. */
  readonly text: string;

  constructor(overlays: readonly NodeOverlay[], pool: NodePool | undefined, regions: Regions) {
    const labels: Labels = pool
      ? { ...pool.spec.template.metadata?.labels, [KARPENTER_NODEPOOL]: pool.metadata.name }
      : {};
    const matching = overlays.filter((each) => canMatch(each, labels));
    this.#overlays = matching.map((each) => new PoolOverlay(each, labels, regions));
    this.text =
      matching.length === 0
        ? ''
        : JSON.stringify([
            keysIn(matching).map((key) => valueAt(labels, key) ?? null),
            regions.regionText,
            matching.map(({ metadata, spec }) => [metadata.name, spec]),
          ]);
  }

  get isEmpty(): boolean {
    return this.#overlays.length === 0;
  }

  #changeOf(
    type: InstanceType,
    offering: Offering,
  ): { readonly name: string; readonly list: number } | undefined {
    const first = this.#overlays.find(
      (each) => each.change !== undefined && each.matchesOffering(offering) && each.matchesType(type),
    );
    if (first?.change === undefined) return undefined;
    return { name: first.name, list: changedPrice(offering.listPrice ?? offering.price, first.change) };
  }

  offering(type: InstanceType, offering: Offering): Offering {
    const change = this.#changeOf(type, offering);
    return change ? atListPrice(offering, change.list) : offering;
  }

  /** The name of the overlay that gives an offering another price than its cloud's. */
  changedBy(type: InstanceType, offering: Offering): string | undefined {
    const change = this.#changeOf(type, offering);
    return change && change.list !== (offering.listPrice ?? offering.price) ? change.name : undefined;
  }

  /** The type with its offerings' prices, and what machines have beside what their cloud gives them. */
  type(type: InstanceType): InstanceType {
    const matching = this.#overlays.filter(
      (each) => each.matchesType(type) && type.offerings.some((offering) => each.matchesOffering(offering)),
    );
    if (matching.length === 0) return type;
    const added: Record<string, number> = {};
    for (const { capacity } of matching) {
      for (const resource in capacity) {
        if (valueAt(added, resource) === undefined) {
          putAt(added, resource, amount(resource, valueAt(capacity, resource) ?? '0'));
        }
      }
    }
    const { capacity } = type;
    return {
      ...type,
      capacity: { ...capacity, other: { ...capacity.other, ...added } },
      offerings: type.offerings.map((offering) => this.offering(type, offering)),
    };
  }
}

/** The NodeOverlays of a cluster that Karpenter has accepted. */
export class NodeOverlays {
  readonly #overlays: readonly NodeOverlay[];
  readonly #regions: Regions;
  readonly #ofPools = new Map<NodePool | undefined, PoolOverlays>();

  constructor(overlays: readonly NodeOverlay[] | undefined, regions: Regions) {
    this.#regions = regions;
    this.#overlays = (overlays ?? []).filter((each) => verdictOf(each).isAccepted).sort(byPrecedence);
  }

  of(pool: NodePool | undefined): PoolOverlays {
    const known = this.#ofPools.get(pool) ?? new PoolOverlays(this.#overlays, pool, this.#regions);
    this.#ofPools.set(pool, known);
    return known;
  }
}
