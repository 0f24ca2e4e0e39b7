import type { Backend } from '../backend.ts';

/** A program that the ground builds from a Go module. */
export interface Program {
  readonly name: string;
  /** The folder under e2e/ground/go that holds go.mod. */
  readonly module: string;
  /** The argument of `go build`: '.' or './folder' for a main of ours, else an import path. */
  readonly package: string;
  readonly ldflags: string;
  readonly tags: readonly string[];
  readonly cgo: boolean;
  /** The part of the ground that runs it; 'on demand' is built only when asked for by name. */
  readonly neededBy: 'control plane' | 'real node' | 'cloud' | 'kind' | 'on demand';
}

export type ProgramName =
  | 'controlplane'
  | 'etcd'
  | 'machine'
  | 'karpenter-aws'
  | 'karpenter-kwok'
  | 'kind'
  | 'kindnode'
  | 'kinddns'
  | 'kwok'
  | 'containerd'
  | 'containerd-shim-runc-v2'
  | 'ctr'
  | 'runc'
  | 'coredns'
  | 'network-policies'
  | 'pause'
  | 'bridge'
  | 'host-local'
  | 'loopback'
  | 'portmap'
  | 'cron'
  | 'krew'
  | 'promtool'
  | 'helm'
  | 'kubeconform'
  | 'kube-score'
  | 'registry'
  | 'hclfmt';

/** The version of Kubernetes that go/controlplane and go/kindnode are made of. */
export const KUBERNETES_VERSION = 'v1.36.3';

// Without these the API server reports v0.0.0, which misleads clients that check its version.
const KUBERNETES =
  `-s -w -X k8s.io/component-base/version.gitVersion=${KUBERNETES_VERSION}` +
  ' -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36';

const CONTAINERD = '-s -w -X github.com/containerd/containerd/v2/version.Version=2.4.2';

/** Every program that the ground can build, in the order in which building is fastest. */
export const PROGRAMS: readonly Program[] = [
  plain('etcd', 'etcd', '.', 'control plane'),
  { ...plain('controlplane', 'controlplane', '.', 'control plane'), ldflags: KUBERNETES },
  { ...plain('machine', 'controlplane', './machine', 'cloud'), ldflags: KUBERNETES },
  {
    ...plain(
      'karpenter-aws',
      'karpenter-aws',
      'github.com/aws/karpenter-provider-aws/cmd/controller',
      'cloud',
    ),
    ldflags: '-s -w -X sigs.k8s.io/karpenter/pkg/operator.Version=1.14.0',
  },
  ...['containerd', 'containerd-shim-runc-v2', 'ctr'].map((name) => ({
    ...plain(
      name as ProgramName,
      'containerd',
      `github.com/containerd/containerd/v2/cmd/${name}`,
      'real node',
    ),
    ldflags: CONTAINERD,
    tags: ['no_btrfs', 'no_devmapper', 'no_zfs', 'no_aufs'],
  })),
  { ...plain('runc', 'runc', 'github.com/opencontainers/runc', 'real node'), cgo: true, tags: ['seccomp'] },
  plain('coredns', 'coredns', '.', 'real node'),
  plain('network-policies', 'network-policies', '.', 'real node'),
  plain('pause', 'pause', '.', 'real node'),
  plain('bridge', 'cni', 'github.com/containernetworking/plugins/plugins/main/bridge', 'real node'),
  plain('host-local', 'cni', 'github.com/containernetworking/plugins/plugins/ipam/host-local', 'real node'),
  plain('loopback', 'cni', 'github.com/containernetworking/plugins/plugins/main/loopback', 'real node'),
  plain('portmap', 'cni', 'github.com/containernetworking/plugins/plugins/meta/portmap', 'real node'),
  plain('karpenter-kwok', 'karpenter-kwok', 'sigs.k8s.io/karpenter/kwok', 'on demand'),
  plain('kind', 'kind', 'sigs.k8s.io/kind', 'kind'),
  { ...plain('kindnode', 'kindnode', '.', 'on demand'), ldflags: KUBERNETES },
  plain('kinddns', 'kinddns', '.', 'on demand'),
  plain('kwok', 'kwok', 'sigs.k8s.io/kwok/cmd/kwok', 'on demand'),
  plain('cron', 'cron', '.', 'on demand'),
  plain('krew', 'krew', 'sigs.k8s.io/krew/cmd/krew', 'on demand'),
  // Without the clients of thirty clouds, whose machines it would find.
  {
    ...plain('promtool', 'promtool', 'github.com/prometheus/prometheus/cmd/promtool', 'on demand'),
    tags: ['remove_all_sd'],
  },
  plain('helm', 'helm', 'helm.sh/helm/v4/cmd/helm', 'on demand'),
  plain('kubeconform', 'kubeconform', 'github.com/yannh/kubeconform/cmd/kubeconform', 'on demand'),
  plain('kube-score', 'kube-score', 'github.com/zegl/kube-score/cmd/kube-score', 'on demand'),
  plain('registry', 'registry', 'github.com/distribution/distribution/v3/cmd/registry', 'on demand'),
  plain('hclfmt', 'hcl', 'github.com/hashicorp/hcl/v2/cmd/hclfmt', 'on demand'),
];

/** The program of that name. Throws when there is none. */
export function programNamed(name: string): Program {
  const found = PROGRAMS.find((program) => program.name === name);
  if (found === undefined)
    throw new Error(`no program is called ${name}: ${PROGRAMS.map((one) => one.name).join(', ')}`);
  return found;
}

/** The names of the programs that a ground with these parts runs. */
export function programsFor(parts: {
  readonly cloud: boolean;
  readonly realNode: boolean;
  readonly backend?: Backend;
}): string[] {
  const isKind = parts.backend === 'kind';
  return PROGRAMS.filter(
    (program) =>
      // kubectl is part of it, and kind's node brings everything else.
      program.name === 'controlplane' ||
      (program.neededBy === 'kind' && isKind) ||
      (program.neededBy === 'control plane' && !isKind) ||
      (program.neededBy === 'cloud' && parts.cloud) ||
      (program.neededBy === 'real node' && parts.realNode && !isKind),
  ).map((program) => program.name);
}

function plain(name: ProgramName, module: string, path: string, neededBy: Program['neededBy']): Program {
  return { name, module, package: path, ldflags: '-s -w', tags: [], cgo: false, neededBy };
}
