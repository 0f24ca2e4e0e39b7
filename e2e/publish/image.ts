import { createReadStream, createWriteStream, existsSync, openAsBlob, renameSync, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import {
  buildLayers,
  type ImagePlan,
  imageTexts,
  type LayerDescriptor,
  type LayerTar,
  MANIFEST,
  sha256,
  sha256Of,
} from '../ground/image/oci.ts';
import type { Descriptor, RegistryClient } from './client.ts';

/** An image of several architectures, and what it is made of. */

export const INDEX = 'application/vnd.oci.image.index.v1+json';
const EMPTY = '{}';
const EMPTY_CONFIG = 'application/vnd.oci.empty.v1+json';
const SBOM = 'application/vnd.cyclonedx+json';

export interface Published extends ImagePlan {
  /** CycloneDX, as JSON. */
  readonly sbom?: string;
}

const describe = (mediaType: string, text: string): Descriptor => ({
  mediaType,
  digest: `sha256:${sha256(text)}`,
  size: Buffer.byteLength(text),
});

/**
 * Pushes the image for each architecture, then an index of them all under the tag. Each list of contents is linked to its
 * image as its referrer. Returns the index's digest, which is the same for the same contents.
 */
export async function pushImage(
  client: RegistryClient,
  plans: readonly Published[],
  o: { readonly tag: string; readonly cache: string },
): Promise<string> {
  const manifests: object[] = [];
  for (const plan of plans) {
    const tars = await buildLayers(plan, o.cache);
    const stored: LayerDescriptor[] = [];
    for (const tar of tars) stored.push(await pushLayer(client, tar));
    const { config, manifest } = imageTexts(plan, tars, stored);
    await client.pushBlob(`sha256:${sha256(config)}`, new Blob([config]));
    const descriptor = describe(MANIFEST, manifest);
    await client.pushManifest(descriptor.digest, MANIFEST, manifest);
    if (plan.sbom !== undefined) await pushSbom(client, descriptor, plan.sbom);
    manifests.push({ ...descriptor, platform: { architecture: plan.architecture, os: 'linux' } });
  }
  const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
  await client.pushManifest(o.tag, INDEX, index);
  return `sha256:${sha256(index)}`;
}

/** Compressed once, beside the tar. */
async function pushLayer(client: RegistryClient, { path }: LayerTar): Promise<LayerDescriptor> {
  const packed = `${path}.gz`;
  if (!existsSync(packed)) {
    await pipeline(createReadStream(path), createGzip(), createWriteStream(`${packed}.${process.pid}`));
    renameSync(`${packed}.${process.pid}`, packed);
  }
  const digest = `sha256:${await sha256Of(packed)}`;
  await client.pushBlob(digest, await openAsBlob(packed));
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size: statSync(packed).size };
}

async function pushSbom(client: RegistryClient, subject: Descriptor, sbom: string): Promise<void> {
  for (const text of [EMPTY, sbom]) await client.pushBlob(`sha256:${sha256(text)}`, new Blob([text]));
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    artifactType: SBOM,
    config: describe(EMPTY_CONFIG, EMPTY),
    layers: [describe(SBOM, sbom)],
    subject,
  });
  const descriptor = describe(MANIFEST, manifest);
  if (await client.pushManifest(descriptor.digest, MANIFEST, manifest)) return;
  // A registry without referrers: the specification has a tag for what it would list.
  const list = { schemaVersion: 2, mediaType: INDEX, manifests: [{ ...descriptor, artifactType: SBOM }] };
  await client.pushManifest(subject.digest.replace(':', '-'), INDEX, JSON.stringify(list));
}
