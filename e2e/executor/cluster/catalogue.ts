import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, ZONE } from '../../../api/labels.ts';
import { mustGet } from '../../../api/mustget.ts';
import type { KubeObject, Requirement } from '../../../api/objects.ts';
import type { Catalogue, InstanceType } from '../../../planner/model/catalogue.ts';

/** Milli-CPU of each instance type; the histories are about CPU alone. */
const CPU: ReadonlyMap<string, number> = new Map([
  ['c5.large', 2_000],
  ['m5.large', 2_000],
  ['m5.xlarge', 4_000],
  ['m5.2xlarge', 8_000],
]);

export const ZONES = ['us-west-2a', 'us-west-2b'] as const;

export interface MachineType {
  readonly instanceType: string;
  readonly zone: string;
  readonly capacityType: string;
}

export const cpuOf = (instanceType: string): number => mustGet(CPU, instanceType, 'instance type');

/** Instance types from the smallest to the largest. */
export const INSTANCE_TYPES: readonly string[] = [...CPU.keys()];

/** The machine of a NodeClaim or Node, from its labels. */
export const machineOf = ({ metadata }: KubeObject): MachineType => ({
  instanceType: metadata.labels?.[INSTANCE_TYPE] ?? '',
  zone: metadata.labels?.[ZONE] ?? '',
  capacityType: metadata.labels?.[KARPENTER_CAPACITY_TYPE] ?? '',
});

const ROOM = { cpu: 0, memory: 64 * 2 ** 30, pods: 58, ephemeralStorage: 20 * 2 ** 30, other: {} };

const offeringKey = ({ instanceType, zone, capacityType }: MachineType): string =>
  `${instanceType}/${zone}/${capacityType}`;

/** What the cloud sells: prices in USD per hour, which change, and offerings that it is out of. */
export class Market {
  readonly #prices = new Map<string, number>();
  readonly #exhausted = new Set<string>();
  #catalogue: Catalogue | undefined;

  constructor() {
    const base: Readonly<Record<string, number>> = {
      'c5.large': 0.085,
      'm5.large': 0.096,
      'm5.xlarge': 0.192,
      'm5.2xlarge': 0.384,
    };
    for (const instanceType of INSTANCE_TYPES) {
      for (const zone of ZONES) {
        const price = base[instanceType] ?? 0;
        this.#prices.set(offeringKey({ instanceType, zone, capacityType: 'on-demand' }), price);
        this.#prices.set(offeringKey({ instanceType, zone, capacityType: 'spot' }), price * 0.4);
      }
    }
  }

  readonly priceOf = (instanceType: string, zone: string, capacityType: string): number | undefined =>
    this.#prices.get(offeringKey({ instanceType, zone, capacityType }));

  /** What the cloud tells of its types; another object after each change of a price. */
  catalogue(): Catalogue {
    this.#catalogue ??= { instanceTypes: INSTANCE_TYPES.map((name) => this.#typeOf(name)) };
    return this.#catalogue;
  }

  #typeOf(name: string): InstanceType {
    const offerings = ZONES.flatMap((zone) =>
      (['on-demand', 'spot'] as const).map((capacityType) => ({
        zone,
        capacityType,
        price: this.priceOf(name, zone, capacityType) ?? 0,
        available: true,
      })),
    );
    return {
      name,
      arch: 'amd64',
      os: ['linux'],
      labels: { [INSTANCE_TYPE]: name },
      capacity: { ...ROOM, cpu: cpuOf(name) },
      overhead: { ...ROOM, memory: 0, pods: 0, ephemeralStorage: 0 },
      offerings,
    };
  }

  /** Changes the price of an instance type everywhere. */
  setPrice(instanceType: string, factor: number): void {
    this.#catalogue = undefined;
    for (const [key, price] of this.#prices)
      if (key.startsWith(`${instanceType}/`)) this.#prices.set(key, price * factor);
  }

  setAvailable(instanceType: string, isAvailable: boolean): void {
    if (isAvailable) this.#exhausted.delete(instanceType);
    else this.#exhausted.add(instanceType);
  }

  restock(): void {
    this.#exhausted.clear();
  }

  /** The cheapest offering that the requirements allow and that there is; undefined for none. */
  launch(requirements: readonly Requirement[]): MachineType | undefined {
    const allowed = (key: string): readonly string[] | undefined =>
      requirements.find((r) => r.key === key && r.operator === 'In')?.values;
    const offers = INSTANCE_TYPES.flatMap((instanceType) =>
      ZONES.flatMap((zone) =>
        ['on-demand', 'spot'].map((capacityType) => ({ instanceType, zone, capacityType })),
      ),
    ).filter(
      ({ instanceType, zone, capacityType }) =>
        !this.#exhausted.has(instanceType) &&
        (allowed(INSTANCE_TYPE)?.includes(instanceType) ?? true) &&
        (allowed(ZONE)?.includes(zone) ?? true) &&
        (allowed(KARPENTER_CAPACITY_TYPE) ?? ['on-demand']).includes(capacityType),
    );
    const price = (o: MachineType): number => this.priceOf(o.instanceType, o.zone, o.capacityType) ?? 0;
    return offers.sort((a, b) => price(a) - price(b))[0];
  }
}
