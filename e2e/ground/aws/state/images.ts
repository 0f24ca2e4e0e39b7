import type { Architecture } from '../catalogue/catalogue.ts';
import { hexOf } from '../random.ts';

export const IMAGE_VARIANTS = ['standard', 'nvidia', 'neuron'] as const;
export type ImageVariant = (typeof IMAGE_VARIANTS)[number];

/** One of the AL2023 images that EKS makes for its nodes. */
export interface Image {
  readonly id: string;
  readonly name: string;
  readonly architecture: Architecture;
  readonly variant: ImageVariant;
}

const RELEASE = 'v20261101';

/** The images for a Kubernetes version; there is one of each, so 'latest' and 'recommended' are that one. */
export const imagesFor = (kubernetesVersion: string): readonly Image[] =>
  (['x86_64', 'arm64'] as const).flatMap((architecture) =>
    IMAGE_VARIANTS.filter((variant) => architecture === 'x86_64' || variant !== 'neuron').map((variant) => {
      const name = `amazon-eks-node-al2023-${architecture}-${variant}-${kubernetesVersion}-${RELEASE}`;
      return { id: `ami-0${hexOf(16, name)}`, name, architecture, variant };
    }),
  );
