import type { Commitment } from '../../../planner/model/billing.ts';
import { type Catalogue, instanceFamily } from '../../../planner/model/catalogue.ts';
import type { OwnedCommitments, ReservedInstances, SavingsPlan } from './owned.ts';

/** Families whose Reserved Instances cover one size alone (AWS, "How Reserved Instance discounts are applied"). */
const ONE_SIZE = /^(g4ad|g4dn|g5|g5g|g6|g6e|gr6|hpc\w*|inf1|inf2|p4\w*|p5\w*|trn1|trn1n|u7i\S*)$/;
const SMALL: Readonly<Record<'nano' | 'micro' | 'small' | 'medium' | 'large', number>> = {
  nano: 0.25,
  micro: 0.5,
  small: 1,
  medium: 2,
  large: 4,
};
const XLARGE = 8;

/** Normalised units of a size, by which Reserved Instances of a family cover its other sizes; none for bare metal. */
export const unitsOfSize = (size: string): number | undefined => {
  if (size === 'nano' || size === 'micro' || size === 'small' || size === 'medium' || size === 'large') {
    return SMALL[size];
  }
  const [, times] = /^(\d*)xlarge$/.exec(size) ?? [];
  return times === undefined ? undefined : XLARGE * (times === '' ? 1 : Number(times));
};

const sizeOf = (instanceType: string): string => instanceType.split('.')[1] ?? '';

/** A commitment, and what a machine in a zone would use of it; undefined where it does not cover that machine. */
interface Cover {
  readonly commitment: Commitment;
  uses(instanceType: string, zone: string): number | undefined;
}

const reservedKey = ({ instanceType, zone }: ReservedInstances): string => {
  const isFlexible =
    zone === undefined &&
    !ONE_SIZE.test(instanceFamily(instanceType)) &&
    unitsOfSize(sizeOf(instanceType)) !== undefined;
  return isFlexible ? instanceFamily(instanceType) : `${instanceType}/${zone ?? ''}`;
};

const coverOfReserved = (key: string, all: readonly ReservedInstances[]): Cover => {
  const [instanceType = '', zone] = key.split('/');
  // A key without a zone's slash is a family.
  if (zone === undefined) {
    const amount = all.reduce(
      (sum, each) => sum + each.count * (unitsOfSize(sizeOf(each.instanceType)) ?? 0),
      0,
    );
    return {
      commitment: { unit: 'instances', amount },
      uses: (type) => (instanceFamily(type) === instanceType ? unitsOfSize(sizeOf(type)) : undefined),
    };
  }
  return {
    commitment: { unit: 'instances', amount: all.reduce((sum, { count }) => sum + count, 0) },
    uses: (type, where) => (type === instanceType && (zone === '' || zone === where) ? 1 : undefined),
  };
};

/** Savings Plans of one kind as one: their rates in the mean, by what is committed to each. */
const coverOfPlans = (all: readonly SavingsPlan[]): Cover => ({
  commitment: { unit: 'hourly', amount: all.reduce((sum, { hourly }) => sum + hourly, 0) },
  uses: (type) => {
    let weight = 0;
    let sum = 0;
    for (const { hourly, rates } of all) {
      const rate = rates.get(type);
      if (rate === undefined) continue;
      weight += hourly;
      sum += hourly * rate;
    }
    return weight > 0 ? sum / weight : undefined;
  },
});

/**
 * The catalogue with the account's commitments: a covered machine costs nothing more, since they are paid for whatever
 * runs. Of several that cover an offering the one counts that saves most there. `share` is the cluster's part, 0 to 1.
 */
export const withOwnedCommitments = (
  catalogue: Catalogue,
  { savingsPlans, reserved }: OwnedCommitments,
  share: number,
): Catalogue => {
  const covers = [
    ...[...Map.groupBy(reserved, reservedKey)].map(([key, all]) => coverOfReserved(key, all)),
    ...[...Map.groupBy(savingsPlans, ({ family }) => family ?? '').values()].map(coverOfPlans),
  ];
  if (share <= 0 || covers.length === 0) return catalogue;
  return {
    ...catalogue,
    commitments: covers.map(({ commitment: { unit, amount } }) => ({ unit, amount: amount * share })),
    instanceTypes: catalogue.instanceTypes.map((type) => ({
      ...type,
      offerings: type.offerings.map((offering) => {
        if (offering.capacityType !== 'on-demand') return offering;
        let best: { readonly commitment: number; readonly uses: number; readonly saves: number } | undefined;
        for (const [commitment, cover] of covers.entries()) {
          const uses = cover.uses(type.name, offering.zone);
          if (!uses) continue;
          const saves = (cover.commitment.amount / uses) * offering.price;
          if (!best || saves > best.saves) best = { commitment, uses, saves };
        }
        if (!best) return offering;
        return { ...offering, covered: { commitment: best.commitment, price: 0, uses: best.uses } };
      }),
    })),
  };
};
