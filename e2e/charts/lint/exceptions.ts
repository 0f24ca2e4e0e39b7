/** What kube-score says of our objects and what we leave so, with the reason. Nothing else may be said. */
export interface Exception {
  readonly check: string;
  /** Kinds and names that it is said of; all where it is left out. */
  readonly of?: readonly string[];
  readonly because: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    check: 'container-resources',
    because:
      'no limits of CPU: a component that is throttled loses its Lease, or lets pods wait for admission',
  },
  {
    check: 'container-ephemeral-storage-request-and-limit',
    because: 'the root file system is read-only, no volume is writable, and log lines are few',
  },
  {
    check: 'container-image-pull-policy',
    because: 'images are named by digest, which a registry that is away must not keep from starting',
  },
  {
    check: 'deployment-has-host-podantiaffinity',
    of: ['castai-kentroller', 'castai-pod-pinner', 'castai-pod-pinner-webhook-keeper', 'castai-scheduler'],
    because: 'topology spread by host does it, softly: two replicas start on a cluster of one node too',
  },
  {
    check: 'pod-networkpolicy',
    of: ['castai-scheduler'],
    because:
      'the way out of the second scheduler stays open: on some networks a policy sees Services, not what is behind them',
  },
];
