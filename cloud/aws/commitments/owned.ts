/** What an account has committed to pay for, as far as it covers Linux machines of shared tenancy in one region. */

/** A Savings Plan. */
export interface SavingsPlan {
  readonly id: string;
  /** The instance family that it is for; every one where left out. */
  readonly family?: string;
  /** USD per hour that are paid whatever runs. */
  readonly hourly: number;
  /** USD per hour that a machine uses of it, by instance type. */
  readonly rates: ReadonlyMap<string, number>;
}

/** Reserved Instances that were bought together. */
export interface ReservedInstances {
  readonly id: string;
  readonly instanceType: string;
  /** The zone that they are for; the whole region where left out. */
  readonly zone?: string;
  readonly count: number;
  /** USD per hour that one of them costs whatever runs, what was paid at once spread over the term. */
  readonly hourly: number;
}

export interface OwnedCommitments {
  readonly savingsPlans: readonly SavingsPlan[];
  readonly reserved: readonly ReservedInstances[];
}

/** USD per hour that commitments cost whatever runs. */
export const feeOf = ({ savingsPlans, reserved }: OwnedCommitments): number =>
  savingsPlans.reduce((sum, { hourly }) => sum + hourly, 0) +
  reserved.reduce((sum, { count, hourly }) => sum + count * hourly, 0);
