import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { stringify } from 'yaml';

export interface PushedImage {
  /** As our manifests name it. */
  readonly name: string;
  /** With its registry and folder. */
  readonly newName: string;
  readonly digest: string;
}

/** Where they are written, from the root of the checkout. */
export const KUSTOMIZE = join('dist', 'kustomize');

/**
 * Writes kustomizations with the image that was pushed: of the base, and of each overlay under `overlays`, as an overlay of the
 * tree names an image that is in no registry. Returns their folders.
 */
export const writeKustomizations = (root: string, image: PushedImage): readonly string[] => {
  const overlays = join('manifests', 'overlays');
  const isOverlay = (name: string): boolean => existsSync(join(root, overlays, name, 'kustomization.yaml'));
  const names = readdirSync(join(root, overlays)).filter(isOverlay).sort();
  const pairs: readonly (readonly [string, string])[] = [
    [KUSTOMIZE, join('manifests', 'base')],
    ...names.map((name) => [join(KUSTOMIZE, 'overlays', name), join(overlays, name)] as const),
  ];
  for (const [folder, of] of pairs) {
    const file = join(root, folder, 'kustomization.yaml');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(
      file,
      `# Made by make push: ${of} with the image that was pushed.\n${stringify({
        apiVersion: 'kustomize.config.k8s.io/v1beta1',
        kind: 'Kustomization',
        resources: [relative(folder, of)],
        images: [image],
      })}`,
    );
  }
  return pairs.map(([folder]) => folder);
};
