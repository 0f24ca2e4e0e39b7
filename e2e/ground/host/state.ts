import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { cgroupFolders, cgroupOf } from '../node/cgroups.ts';
import { run } from './command.ts';

/** Folders in which a node on the host itself would leave traces; other programs may install things there meanwhile. */
const NODE_TRACES = /kube|container|cni|netns|nri|runc|xtables|pods|docker/;
const PLACES = ['/run', '/run/containerd', '/var/lib', '/var/lib/kubelet', '/var/log', '/opt', '/usr/lib'];
const SETTINGS = [
  ...['vm/overcommit_memory', 'vm/panic_on_oom', 'kernel/panic', 'kernel/panic_on_oops'],
  ...['kernel/keys/root_maxkeys', 'kernel/keys/root_maxbytes', 'fs/file-max', 'fs/nr_open'],
  ...['net/ipv4/ip_forward', 'net/ipv4/conf/all/rp_filter', 'net/ipv4/conf/all/route_localnet'],
];

/**
 * What grounds in these folders could leave on the host: mounts, namespaces, iptables rules, routes, links, cgroups,
 * folders and kernel settings, without those of other grounds that run meanwhile.
 */
export async function hostState(root: string, dirs: readonly string[]): Promise<object> {
  const ours = (line: string) => line.includes(root) || line.includes('/run/netns');
  const listing = (path: string) =>
    existsSync(path) ? readdirSync(path).filter((name) => NODE_TRACES.test(name)) : [];
  const lines = (text: string) => text.split('\n');
  return {
    mounts: lines(readFileSync('/proc/self/mountinfo', 'utf8')).filter(ours),
    namespaces: await run(['ip', 'netns', 'list']),
    // Its comments contain the time.
    filter: (await run(['iptables-save'])).replaceAll(/^#.*$/gm, ''),
    routes: lines(await run(['ip', 'route'])).filter((line) => !line.includes(' dev ppk')),
    addresses: lines(await run(['ip', '-brief', 'address', 'show', 'lo'])),
    links: Object.keys(networkInterfaces()).filter((name) => !name.startsWith('ppk')),
    cgroups: dirs.flatMap((dir) => cgroupFolders(cgroupOf(dir))),
    hierarchies: lines(readFileSync('/proc/self/cgroup', 'utf8')).length,
    places: PLACES.map(listing),
    settings: SETTINGS.map((name) => readFileSync(`/proc/sys/${name}`, 'utf8')),
  };
}
