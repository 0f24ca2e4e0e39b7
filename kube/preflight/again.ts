import type { DeploymentObject, Part } from './facts.ts';

/** How to install again what is missing, by the way of the installation: manifests/ names an image that no registry has. */

const RELEASE = 'meta.helm.sh/release-name';

const BY_FOLDER =
  'apply the folder again that it was installed from, such as dist/kustomize or one of its overlays';

const byHelm = (part: Part, release: string | undefined): string => {
  if (part === 'cluster') return 'upgrade the release of the chart precision-packer-crds by Helm';
  return release === undefined
    ? 'upgrade its release by Helm'
    : `upgrade the release ${release} by Helm, with the values that it has`;
};

/** What to do, as the end of a sentence; both ways where the Deployments do not tell. */
export const again = (part: Part, deployments: readonly DeploymentObject[] = []): string => {
  const release = deployments
    .map(({ metadata }) => metadata.annotations?.[RELEASE])
    .find((each) => each !== undefined);
  if (release !== undefined) return byHelm(part, release);
  return deployments.length > 0 ? BY_FOLDER : `${byHelm(part, undefined)}, or ${BY_FOLDER}`;
};
