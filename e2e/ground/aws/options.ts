/** How the cloud of a ground behaves. */
export interface CloudOptions {
  /** Spot prices and depths, and instance ids, follow from it. */
  readonly seed?: number;
  readonly clusterName?: string;
  /** Whether the addresses of terminated instances, and so the names of their Nodes, are given out again. */
  readonly shouldReuseAddresses?: boolean;
  /** Share of a type's memory that its machine's kubelet does not see. */
  readonly memoryOverhead?: number;
  /** Whether Karpenter's AWS controller is started; a suite may want the endpoint alone. */
  readonly hasKarpenter?: boolean;
  /** Further environment of Karpenter, such as FEATURE_GATES or BATCH_IDLE_DURATION. */
  readonly karpenterEnv?: Readonly<Record<string, string>>;
}
