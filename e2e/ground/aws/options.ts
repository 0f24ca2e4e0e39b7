/** How the cloud of a ground behaves. */
export interface CloudOptions {
  /** Seed of spot prices, pool depths and instance ids. */
  readonly seed?: number;
  readonly clusterName?: string;
  /** Whether the addresses of terminated instances, and thus the names of their Nodes, are used again. */
  readonly shouldReuseAddresses?: boolean;
  /** Share of a type's memory that its kubelet does not see. */
  readonly memoryOverhead?: number;
  /** Whether Karpenter's AWS controller is started; a suite may want the endpoint alone. */
  readonly hasKarpenter?: boolean;
  /** Additional environment of Karpenter, such as FEATURE_GATES or BATCH_IDLE_DURATION. */
  readonly karpenterEnv?: Readonly<Record<string, string>>;
}
