import { join } from 'node:path';
import { chartFiles, versionOf } from '../charts/list.ts';
import type { Architecture } from '../ground/image/architecture.ts';
import { componentsPlan, withCompiled } from '../ground/image/image.ts';
import { npmTarballs } from '../ground/image/tarballs.ts';
import { packageCharts, pushChart, type Sign } from './charts.ts';
import { RegistryClient } from './client.ts';
import type { Credentials } from './credentials.ts';
import { type Published, pushImage } from './image.ts';
import { writeKustomizations } from './kustomizations.ts';

export interface PublishOptions {
  readonly root: string;
  readonly cache: string;
  /** Host and folder, such as `registry.example.com/platform`. */
  readonly registry: string;
  readonly version?: string | undefined;
  readonly credentials?: Credentials | undefined;
  readonly sign?: Sign | undefined;
  /** The image for each architecture. */
  readonly plans: readonly Published[];
  say(line: string): void;
}

const NAME = 'precision-packer';

/** The image of this checkout for each architecture. */
export async function imagePlans(
  root: string,
  cache: string,
  architectures: readonly Architecture[],
): Promise<Published[]> {
  const images = join(cache, 'images');
  const tarballs = npmTarballs(join(cache, 'tarballs'));
  const plans: Published[] = [];
  for (const architecture of architectures) {
    const plan = await componentsPlan(root, { tarballs, images, architecture });
    plans.push({ ...withCompiled(plan, images), sbom: plan.sbom });
  }
  return plans;
}

/**
 * Pushes the image, and charts whose values name it by digest; writes kustomizations that do so as well. Returns the
 * image's reference.
 */
export async function publish(o: PublishOptions): Promise<string> {
  const [host = '', ...rest] = o.registry
    .replace(/^(https?|oci):\/\//, '')
    .replace(/\/+$/, '')
    .split('/');
  const registry = [host, ...rest].join('/');
  const client = (name: string): RegistryClient =>
    new RegistryClient({ host, repository: [...rest, name].join('/'), credentials: o.credentials });
  const version = o.version ?? versionOf(o.root);
  const digest = await pushImage(client(NAME), o.plans, { tag: version, cache: join(o.cache, 'images') });
  o.say(`image ${registry}/${NAME}@${digest}`);
  const defaults = new Map([
    ['global.registry', registry],
    ['image.tag', version],
    ['image.digest', digest],
  ]);
  const files = chartFiles({ version, appVersion: version, defaults });
  for (const chart of await packageCharts(files, o.sign)) {
    const pushed = await pushChart(client(`charts/${chart.name}`), chart);
    o.say(`chart oci://${registry}/charts/${chart.name} ${chart.version} ${pushed}`);
  }
  const image = { name: NAME, newName: `${registry}/${NAME}`, digest };
  for (const folder of writeKustomizations(o.root, image)) o.say(`kustomization ${folder}`);
  return `${registry}/${NAME}@${digest}`;
}
