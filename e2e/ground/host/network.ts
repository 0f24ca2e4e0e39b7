import { existsSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { type Addresses, addressesOf, freeLinks, INSIDE } from './addresses.ts';
import { CommandError, run } from './command.ts';

/** Prefix of commands that run inside the namespace. `ip netns exec` would hide the cgroup mounts. */
export function inside(namespace: string): string[] {
  return ['nsenter', `--net=${namespace}`, '--'];
}

/**
 * Creates a network namespace that lives at a file, and a link to it. `preferred` is tried first, so that a ground that
 * comes back keeps its address and its certificates.
 */
export async function createNetwork(namespace: string, preferred: number | undefined): Promise<Addresses> {
  writeFileSync(namespace, '');
  await run(['unshare', `--net=${namespace}`, 'true']);
  const addresses = await createLink(namespace, preferred);
  await run(['ip', '-batch', '-'], {
    input: [`addr add ${addresses.host}/30 dev ${addresses.link}`, `link set ${addresses.link} up`, ''].join(
      '\n',
    ),
  });
  await run([...inside(namespace), 'ip', '-batch', '-'], {
    input: [
      'link set lo up',
      `addr add ${INSIDE.dns}/32 dev lo`,
      `addr add ${addresses.inner}/30 dev eth0`,
      'link set eth0 up',
      `route add default via ${addresses.host}`,
      '',
    ].join('\n'),
  });
  return addresses;
}

/** Removes the namespace and everything in it, the link included. A missing one is fine. */
export async function removeNetwork(namespace: string, link: string | undefined): Promise<void> {
  if (link !== undefined && (await interfaceNames()).includes(link)) {
    await run(['ip', 'link', 'delete', link]).catch(ignoreMissingLink);
  }
  if (!existsSync(namespace)) return;
  // A ground that was killed before it left a record has a link of unknown name, which its inner end identifies.
  await run([...inside(namespace), 'ip', 'link', 'delete', 'eth0']).catch(() => {});
  await run(['umount', '--lazy', namespace]).catch(() => {
    // It is a plain file when the namespace was never made, or is already gone.
  });
  await rm(namespace, { force: true });
}

// The kernel gives a link's name once, so two grounds that start at the same time never get the same addresses.
async function createLink(namespace: string, preferred: number | undefined): Promise<Addresses> {
  const hostAddresses = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map((one) => one.address),
  );
  const free = freeLinks(await interfaceNames(), hostAddresses);
  const order = preferred !== undefined && free.includes(preferred) ? [preferred, ...free] : free;
  for (const index of order) {
    const addresses = addressesOf(index);
    try {
      await run([
        'ip',
        'link',
        'add',
        addresses.link,
        'type',
        'veth',
        'peer',
        'name',
        'eth0',
        'netns',
        namespace,
      ]);
      return addresses;
    } catch (error) {
      if (!(error instanceof CommandError && error.stderr.includes('File exists'))) throw error;
    }
  }
  throw new Error('all 256 links for grounds are in use: node e2e/ground/main.ts status');
}

async function interfaceNames(): Promise<string[]> {
  const links: unknown = JSON.parse(await run(['ip', '-json', 'link', 'show']));
  return (links as { ifname?: string }[]).flatMap((link) => (link.ifname === undefined ? [] : [link.ifname]));
}

function ignoreMissingLink(error: unknown): void {
  if (error instanceof CommandError && error.stderr.includes('Cannot find device')) return;
  throw error;
}
