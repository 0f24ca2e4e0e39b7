import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { mustGet } from '../../api/mustget.ts';
import { charts } from '../charts/list.ts';
import { run } from '../ground/host/command.ts';
import { MANIFEST, REPRODUCIBLE, sha256 } from '../ground/image/oci.ts';
import type { RegistryClient } from './client.ts';

/** Charts as Helm's packages, and as the OCI artifacts that Helm reads: https://helm.sh/docs/topics/registries. */

const CONFIG = 'application/vnd.cncf.helm.config.v1+json';
const CONTENT = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';
const PROVENANCE = 'application/vnd.cncf.helm.chart.provenance.v1.prov';

export interface Package {
  readonly name: string;
  readonly version: string;
  /** Chart.yaml as it is in the package. */
  readonly metadata: string;
  readonly archive: Buffer<ArrayBuffer>;
  /** The signed digest of the archive, where there is a key. */
  readonly provenance?: string;
}

/** Signs a text as `gpg --clearsign` does. */
export type Sign = (text: string) => Promise<string>;

/** A signature by gpg with the key of this name. */
export const gpgSigner =
  (key: string): Sign =>
  (text) =>
    run(['gpg', '--batch', '--yes', '--local-user', key, '--digest-algo', 'SHA512', '--clearsign'], {
      input: text,
    });

/** Packages of all charts; the same files give the same bytes. */
export async function packageCharts(files: ReadonlyMap<string, string>, sign?: Sign): Promise<Package[]> {
  const packages: Package[] = [];
  for (const { name, folder } of charts()) {
    const own = new Map(
      [...files]
        .filter(([path]) => path.startsWith(`${folder}/`))
        .map(([path, text]) => [join(name, path.slice(folder.length)), text] as const),
    );
    const metadata = mustGet(own, `${name}/Chart.yaml`, 'the file');
    const { version } = parse(metadata) as { readonly version: string };
    const archive = Buffer.from(gzipSync(await tarOf(own)));
    const sums = `files:\n  ${name}-${version}.tgz: sha256:${hexOf(archive)}\n`;
    const provenance = await sign?.(`${metadata}\n...\n${sums}`);
    packages.push({ name, version, metadata, archive, ...(provenance !== undefined && { provenance }) });
  }
  return packages;
}

/** Pushes a package under its version. Returns the manifest's digest. */
export async function pushChart(client: RegistryClient, chart: Package): Promise<string> {
  const config = JSON.stringify(parse(chart.metadata));
  const contents: readonly (readonly [string, string | Buffer<ArrayBuffer>])[] = [
    [CONFIG, config],
    [CONTENT, chart.archive],
    ...(chart.provenance === undefined ? [] : [[PROVENANCE, chart.provenance] as const]),
  ];
  for (const [, content] of contents) await client.pushBlob(`sha256:${hexOf(content)}`, new Blob([content]));
  const [configDescriptor, ...layers] = contents.map(([mediaType, content]) => ({
    mediaType,
    digest: `sha256:${hexOf(content)}`,
    size: Buffer.byteLength(content),
  }));
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: configDescriptor,
    layers,
    annotations: {
      'org.opencontainers.image.title': chart.name,
      'org.opencontainers.image.version': chart.version,
    },
  });
  // A tag has no plus sign; Helm reads an underscore as one.
  await client.pushManifest(chart.version.replaceAll('+', '_'), MANIFEST, manifest);
  return `sha256:${sha256(manifest)}`;
}

async function tarOf(files: ReadonlyMap<string, string>): Promise<Buffer> {
  const folder = mkdtempSync(join(tmpdir(), 'chart-'));
  try {
    const content = join(folder, 'content');
    for (const [path, text] of files) {
      mkdirSync(dirname(join(content, path)), { recursive: true });
      writeFileSync(join(content, path), text);
    }
    const tar = join(folder, 'chart.tar');
    const names = [...files.keys()].sort();
    await run(['tar', '--create', ...REPRODUCIBLE, `--file=${tar}`, `--directory=${content}`, ...names]);
    return readFileSync(tar);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const hexOf = (content: string | Buffer): string => sha256(content);
