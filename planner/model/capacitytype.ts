/** How a machine is paid for; Karpenter's label karpenter.sh/capacity-type. */
export type CapacityType = 'spot' | 'on-demand' | 'reserved';

/** Whether commitments may cover a machine: those that the cloud may take back are never covered. */
export const canBeCovered = (capacityType: CapacityType): boolean => capacityType !== 'spot';
