export interface NetworkCard {
  readonly index: number;
  readonly interfaces: number;
}

export interface NetworkLimits {
  readonly interfaces: number;
  readonly addressesPerInterface: number;
  readonly defaultCard: number;
  readonly cards: readonly NetworkCard[];
  /** 'nitro' or 'xen'; empty for bare metal. */
  readonly hypervisor: string;
  readonly isBareMetal: boolean;
}

const number = (block: string, field: string): number | undefined => {
  const found = new RegExp(`\\s${field}:\\s+(\\d+)`).exec(block)?.[1];
  return found === undefined ? undefined : Number(found);
};

const cardsIn = (block: string): readonly NetworkCard[] =>
  [...block.matchAll(/MaximumNetworkInterfaces:\s+(\d+),\s+NetworkCardIndex:\s+(\d+)/g)].map(
    ([, interfaces, index]) => ({ index: Number(index), interfaces: Number(interfaces) }),
  );

/**
 * Reads the network limits of instance types from the Go map that Karpenter's AWS provider is generated with.
 * Throws when the source has no such map.
 */
export const parseNetworkLimits = (source: string): ReadonlyMap<string, NetworkLimits> => {
  const limits = new Map<string, NetworkLimits>();
  for (const [, name, block] of source.matchAll(/^\t"([\w.-]+)": \{$([\s\S]*?)^\t\},$/gm)) {
    if (name === undefined || block === undefined) continue;
    const interfaces = number(block, 'Interface');
    const addressesPerInterface = number(block, 'IPv4PerInterface');
    if (interfaces === undefined || addressesPerInterface === undefined) continue;
    limits.set(name, {
      interfaces,
      addressesPerInterface,
      defaultCard: number(block, 'DefaultNetworkCardIndex') ?? 0,
      cards: cardsIn(block),
      hypervisor: /Hypervisor:\s+"(\w*)"/.exec(block)?.[1] ?? '',
      isBareMetal: /IsBareMetal:\s+true/.test(block),
    });
  }
  if (limits.size === 0) throw new Error('no network limits found in the source of the AWS provider');
  return limits;
};
