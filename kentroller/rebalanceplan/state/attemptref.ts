/** An attempt to create one planned node, and the offering that it orders. */
export interface AttemptRef {
  /** Name of the claim in the plan. */
  readonly planned: string;
  /** Name of the NodeClaim. */
  readonly claimName: string;
  readonly instanceType: string;
  readonly capacityType: string;
  readonly zone: string;
}
