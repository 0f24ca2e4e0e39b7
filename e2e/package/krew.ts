import { stringify } from 'yaml';

/** The plugin's name: `kubectl precision-packer`, for which kubectl starts kubectl-precision_packer. */
export const PLUGIN = 'precision-packer';
export const KUBECTL_COMMAND = 'kubectl-precision_packer';

/** The manifest by which krew installs the package's tarball, in YAML. `uri` is where it will be fetched from. */
export const krewManifest = (o: {
  readonly version: string;
  readonly uri: string;
  /** SHA-256 of the tarball. */
  readonly sha256: string;
  /** Path of the program within the package. */
  readonly bin: string;
  readonly oldestNode: string;
}): string =>
  stringify({
    apiVersion: 'krew.googlecontainertools.github.com/v1alpha2',
    kind: 'Plugin',
    metadata: { name: PLUGIN },
    spec: {
      version: `v${o.version}`,
      shortDescription: 'Shows what a cluster with Karpenter could save',
      description:
        'Reads nodes, pods and NodePools with list requests, changes nothing, and prints what the cluster costs now,\nwhat it could cost, and for each node what keeps it from being replaced.\n',
      caveats: `It needs Node.js ${o.oldestNode} or newer on the PATH.\n`,
      platforms: [
        {
          selector: { matchExpressions: [{ key: 'os', operator: 'In', values: ['linux', 'darwin'] }] },
          uri: o.uri,
          sha256: o.sha256,
          // Tarballs of npm have all in this folder.
          files: [{ from: 'package/*', to: '.' }],
          bin: o.bin,
        },
      ],
    },
  });
