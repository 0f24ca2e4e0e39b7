/** Lines of listprices.jsonl: a header, then one instance type a line. */

export interface Header {
  /** Day of the spot prices, ISO. */
  readonly date: string;
  /** Day of the on-demand prices of each region, ISO. */
  readonly dates: readonly string[];
  /** Go modules that they come from. */
  readonly sources: readonly string[];
  /** Regions in the order of the lists in each row. */
  readonly regions: readonly string[];
}

/** An instance type with its prices; lists have one entry a region. */
export interface Row {
  readonly name: string;
  readonly arch: 'amd64' | 'arm64';
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly interfaces: number;
  readonly addresses: number;
  readonly hypervisor?: string;
  readonly isMetal?: boolean;
  /** Maker of the CPU, lower case. */
  readonly maker?: string;
  readonly nvmeGB?: number;
  readonly ebsMbps?: number;
  /** Memory is that of one GPU. */
  readonly gpu?: {
    readonly count: number;
    readonly maker: string;
    readonly model: string;
    readonly memoryMiB: number;
  };
  readonly neurons?: number;
  /** USD per hour for Linux; null where it is not sold. */
  readonly onDemand: readonly (number | null)[];
  /** USD per hour, mean of the region's zones; null where it is not known. */
  readonly spot: readonly (number | null)[];
  /** Numbers of the zone ids that sell the type, such as 124 for use1-az1, -az2 and -az4; empty where they are not known. */
  readonly zones: readonly string[];
}
