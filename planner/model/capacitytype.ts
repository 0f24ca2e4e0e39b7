/** A value of Karpenter's label karpenter.sh/capacity-type. */
export type CapacityType = 'spot' | 'on-demand' | 'reserved';

/** Whether commitments may cover such a machine; they never cover spot. */
export const canBeCovered = (capacityType: CapacityType): boolean => capacityType !== 'spot';
