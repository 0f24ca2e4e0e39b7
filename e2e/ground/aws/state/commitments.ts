/** A Savings Plan as DescribeSavingsPlans tells it. */
export interface SavingsPlanState {
  readonly id: string;
  readonly type: 'Compute' | 'EC2Instance' | 'SageMaker';
  readonly state: 'active' | 'retired' | 'queued';
  /** USD per hour. */
  readonly commitment: number;
  readonly region?: string;
  readonly family?: string;
  /** What part of the on-demand price a machine costs under it, 0 to 1. */
  readonly share: number;
}

/** Reserved Instances as DescribeReservedInstances tells them. */
export interface ReservedInstancesState {
  readonly id: string;
  readonly instanceType: string;
  readonly count: number;
  readonly state: 'active' | 'retired';
  /** The zone that they are for; the whole region where left out. */
  readonly zone?: string;
  readonly tenancy?: 'default' | 'dedicated';
  readonly product?: string;
  /** USD at once, and USD per hour. */
  readonly fixedPrice?: number;
  readonly recurring?: number;
}

/** A capacity reservation as DescribeCapacityReservations tells it. */
export interface CapacityReservationState {
  readonly id: string;
  readonly instanceType: string;
  readonly zone: string;
  readonly state: 'active' | 'expired';
  /** Machines that it is for, and those that are not used. */
  readonly total: number;
  readonly available: number;
  readonly isBlock?: boolean;
  readonly interruptible?: boolean;
}

/** What the account has committed to; a test fills it. */
export interface Commitments {
  capacity: readonly CapacityReservationState[];
  savingsPlans: readonly SavingsPlanState[];
  reserved: readonly ReservedInstancesState[];
}
