import type { Ground } from '../cluster.ts';
import { INSIDE } from '../host/addresses.ts';
import { REAL_NODE } from './kubelet.ts';

/** The queue of the kernel from which kube-network-policies takes packets; each network namespace has its own. */
const QUEUE = '100';

/**
 * Enforces NetworkPolicies on the real node's pods with kube-network-policies, which judges the first packet of each
 * connection. Its own nftables rules need a kernel option that is often off, so these do their work.
 */
export const enforceNetworkPolicies = async (ground: Ground, kubeconfig: string): Promise<void> => {
  ground.addProcess({
    name: 'network-policies',
    argv: [await ground.program('network-policies'), `--kubeconfig=${kubeconfig}`, `--node=${REAL_NODE}`],
  });
  const rule = async (...match: readonly string[]): Promise<unknown> =>
    ground.exec([
      ...['iptables', '--wait', '--table', 'mangle', '--append', 'POSTROUTING', ...match],
      ...['--match', 'conntrack', '--ctstate', 'NEW'],
      // Without the program, packets pass as on a cluster that enforces nothing.
      ...['--jump', 'NFQUEUE', '--queue-num', QUEUE, '--queue-bypass'],
    ]);
  await rule('--source', INSIDE.pods);
  // A pod's own node always reaches it: here that is the API server, and the kubelet with its probes.
  await rule('--destination', INSIDE.pods, '--match', 'owner', '!', '--uid-owner', '0');
};
