/** The addresses of one ground: a link of two ends, one on the host and one inside the ground's network namespace. */
export interface Addresses {
  /** Index of the link, 0 to 255; two grounds never have the same one at a time. */
  readonly index: number;
  /** The name of the host's end. */
  readonly link: string;
  /** Address of the host's end, at which processes inside reach the host. */
  readonly host: string;
  /** Address of the inner end, at which the host reaches processes inside. */
  readonly inner: string;
}

/** Addresses that never leave the namespace and are the same for all grounds. */
export const INSIDE = {
  pods: '10.88.0.0/24',
  dns: '10.89.0.10',
  services: '10.0.0.0/24',
  kubernetesService: '10.0.0.1',
  dnsService: '10.0.0.10',
} as const;

const LINK = /^ppk(\d+)$/;

/** The addresses of the link with that index. Throws when there is no such link. */
export function addressesOf(index: number): Addresses {
  if (!Number.isInteger(index) || index < 0 || index > 255) throw new Error(`there is no link ${index}`);
  return { index, link: `ppk${index}`, host: `10.90.${index}.1`, inner: `10.90.${index}.2` };
}

/** Links that a new ground may try, in order: those whose name no interface has and whose network is not the host's. */
export function freeLinks(interfaces: readonly string[], hostAddresses: readonly string[]): number[] {
  const taken = new Set<number>();
  for (const name of interfaces) {
    const match = LINK.exec(name);
    if (match?.[1] !== undefined) taken.add(Number(match[1]));
  }
  for (const address of hostAddresses) {
    const match = /^10\.90\.(\d+)\./.exec(address);
    if (match?.[1] !== undefined) taken.add(Number(match[1]));
  }
  return Array.from({ length: 256 }, (_, index) => index).filter((index) => !taken.has(index));
}
