import type { NodeClassObject, NodePool } from '../../../api/objects.ts';
import type { Catalogue, InstanceType, Offering } from '../catalogue.ts';
import type { Snapshot } from '../snapshot.ts';
import { NodeOverlays } from './nodeoverlay.ts';
import { ToldFacts, zonesOf } from './told.ts';

/** What prices of machines follow from, beside their catalogue. */
export type PriceFacts = Pick<Snapshot, 'nodes' | 'nodeClasses' | 'nodeOverlays'>;

/** Label keys that some type of a catalogue has. */
const keysOf = ({ instanceTypes }: Catalogue): ReadonlySet<string> => {
  const keys = new Set<string>();
  for (const type of instanceTypes) for (const key in type.labels) keys.add(key);
  return keys;
};

/** Prices as Karpenter counts them, of machines that stand and of those that are yet to be bought. */
export class CountedPrices {
  /** Label keys that some type of the catalogue has. */
  readonly keys: ReadonlySet<string>;
  readonly told: ToldFacts;
  readonly overlays: NodeOverlays;
  readonly #catalogue: Catalogue;
  readonly #nodeClasses: ReadonlyMap<string, NodeClassObject>;

  constructor(catalogue: Catalogue, { nodes, nodeClasses = [], nodeOverlays }: PriceFacts) {
    this.#catalogue = catalogue;
    this.keys = keysOf(catalogue);
    this.told = new ToldFacts(nodes, this.keys);
    this.overlays = new NodeOverlays(nodeOverlays, this.told);
    this.#nodeClasses = new Map(
      nodeClasses.map((each) => [`${each.kind ?? ''}/${each.metadata.name}`, each]),
    );
  }

  /** The NodeClass of a NodePool; undefined where it was not read. */
  nodeClassOf({ spec }: NodePool): NodeClassObject | undefined {
    const { kind, name } = spec.template.spec.nodeClassRef;
    return this.#nodeClasses.get(`${kind}/${name}`);
  }

  /** An offering of the catalogue at the price that counts for machines of a NodePool, or of one that nobody knows. */
  offering(type: InstanceType, offering: Offering, pool: NodePool | undefined): Offering {
    const ofPool = this.overlays.of(pool);
    return ofPool.isEmpty ? offering : ofPool.offering(this.told.type(type), this.#told(offering, pool));
  }

  /** Names of overlays, each with the types of which it changes a price in some NodePool. */
  changedTypes(pools: readonly NodePool[]): ReadonlyMap<string, ReadonlySet<string>> {
    const changed = new Map<string, Set<string>>();
    const alike = Map.groupBy(pools, (pool) =>
      JSON.stringify([this.overlays.of(pool).text, pool.spec.template.spec.nodeClassRef]),
    );
    for (const [pool] of alike.values()) {
      if (!pool) continue;
      const ofPool = this.overlays.of(pool);
      if (ofPool.isEmpty) continue;
      for (const type of this.#catalogue.instanceTypes.map((each) => this.told.type(each))) {
        for (const offering of type.offerings) {
          const name = ofPool.changedBy(type, this.#told(offering, pool));
          if (name !== undefined) changed.set(name, (changed.get(name) ?? new Set()).add(type.name));
        }
      }
    }
    return changed;
  }

  #told(offering: Offering, pool: NodePool | undefined): Offering {
    return this.told.offering(offering, pool && zonesOf(this.nodeClassOf(pool)));
  }
}
