/** An attempt to create one planned node, and the offering that it orders. */
export interface AttemptRef {
  /** Name of the claim in the plan. */
  readonly planned: string;
  /** Name of the NodeClaim. */
  readonly claimName: string;
  readonly instanceType: string;
  readonly capacityType: string;
  readonly zone: string;
  /** Place of the alternative that it orders, from 0; undefined for attempts of earlier versions. */
  readonly alternative?: number;
  /** USD per hour that its dearest offering may cost; undefined where prices do not bind the plan. */
  readonly priceCapHourly?: string;
}
