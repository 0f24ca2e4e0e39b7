import { createHash } from 'node:crypto';
import { dependenciesOf, type LockedPackage, type Lockfile } from './dependencies.ts';
import type { SystemFile } from './systemfiles.ts';

/** A list of what the image is made of, in the form of CycloneDX 1.6; the same image has the same list. */

export interface Product {
  readonly name: string;
  readonly version: string;
  readonly license: string;
}

export interface Contents {
  readonly product: Product;
  readonly lockfile: Lockfile;
  readonly node: LockedPackage;
  /** SHA-256 of the binary in the image. */
  readonly nodeSha256: string;
  readonly packages: readonly LockedPackage[];
  readonly system: readonly SystemFile[];
}

const hexOf = (integrity: string): string =>
  Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex');

const npmPurl = ({ name, version }: LockedPackage): string =>
  `pkg:npm/${name.replace(/^@/, '%40')}@${encodeURIComponent(version)}`;

const licenses = (text: string) => [
  /^[A-Za-z0-9.+-]+$/.test(text) ? { license: { id: text } } : { expression: text },
];

const packageComponent = (locked: LockedPackage) => {
  const [, group, name] = /^(?:(@[^/]+)\/)?(.+)$/.exec(locked.name) ?? [];
  return {
    type: 'library',
    'bom-ref': locked.folder,
    ...(group !== undefined && { group }),
    name,
    version: locked.version,
    hashes: [{ alg: 'SHA-512', content: hexOf(locked.integrity) }],
    licenses: licenses(locked.license),
    purl: npmPurl(locked),
  };
};

const nodeComponent = (node: LockedPackage, sha256: string) => ({
  type: 'platform',
  'bom-ref': node.folder,
  name: 'node',
  version: node.version,
  hashes: [{ alg: 'SHA-512', content: hexOf(node.integrity) }],
  licenses: licenses(node.license),
  cpe: `cpe:2.3:a:nodejs:node.js:${node.version}:*:*:*:*:*:*:*`,
  purl: npmPurl(node),
  components: [{ type: 'file', name: '/usr/bin/node', hashes: [{ alg: 'SHA-256', content: sha256 }] }],
});

const systemComponent = ({ path, sha256, owner }: SystemFile) => ({
  type: 'file',
  'bom-ref': path,
  name: path,
  hashes: [{ alg: 'SHA-256', content: sha256 }],
  ...(owner && {
    version: owner.version,
    licenses: [{ license: { name: `/licenses/${owner.name}/copyright` } }],
    purl: `pkg:deb/${owner.distribution}/${owner.name}@${encodeURIComponent(owner.version)}?arch=${owner.arch}`,
  }),
});

/** An identifier that stands for the text. */
const uuidOf = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`];
  return [...parts, hex.slice(20, 32)].join('-');
};

/** The list as JSON. */
export function sbomOf({ product, lockfile, node, nodeSha256, packages, system }: Contents): string {
  const known = new Set(packages.map(({ folder }) => folder));
  const dependsOn = (folder: string): string[] =>
    dependenciesOf(lockfile, folder).filter((each) => known.has(each));
  const root = `pkg:generic/${product.name}@${product.version}`;
  const content = {
    version: 1,
    metadata: {
      component: {
        type: 'container',
        'bom-ref': root,
        name: product.name,
        version: product.version,
        licenses: licenses(product.license),
        purl: root,
      },
    },
    components: [
      nodeComponent(node, nodeSha256),
      ...packages.map(packageComponent),
      ...system.map(systemComponent),
    ],
    dependencies: [
      { ref: root, dependsOn: [node.folder, ...dependsOn('')] },
      { ref: node.folder, dependsOn: system.map(({ path }) => path) },
      ...packages.map(({ folder }) => ({ ref: folder, dependsOn: dependsOn(folder) })),
    ],
  };
  const serialNumber = `urn:uuid:${uuidOf(JSON.stringify(content))}`;
  return `${JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.6', serialNumber, ...content }, null, 2)}\n`;
}
