import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { run } from '../host/command.ts';
import { ownArchitecture } from '../image/architecture.ts';
import { keyOf } from '../image/layers.ts';
import { buildImage, type ImagePlan, type LayerPlan } from '../image/oci.ts';
import { librariesIn } from '../image/systemfiles.ts';
import { mustHave } from './rootfolder.ts';

/** The images that kubeadm's manifests name, with what we have built in them. */

const KUBERNETES_IMAGES = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy'];
const IPTABLES = 'usr/sbin/xtables-nft-multi';
const IPTABLES_NAMES = ['', '-save', '-restore'].flatMap((verb) => [`iptables${verb}`, `ip6tables${verb}`]);
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The names of the images of a control plane, as kubeadm itself lists them. `kubeadm` is a path that ends so. */
export async function imageNames(kubeadm: string, version: string): Promise<string[]> {
  const listed = await run([kubeadm, 'config', 'images', 'list', `--kubernetes-version=${version}`]);
  return listed.split('\n').filter(Boolean);
}

/** Name of an image without registry, folders and tag. */
export const shortName = (image: string): string => basename(image).replace(/:.*$/, '');

/** Builds the images of these names. Returns the paths of their archives. */
export async function buildNodeImages(
  names: readonly string[],
  o: { readonly programs: ReadonlyMap<string, string>; readonly base: string; readonly cache: string },
): Promise<string[]> {
  const kubernetes = programLayer('kindnode', mustHave(o.programs, 'kindnode'), KUBERNETES_IMAGES);
  const plans = names.map((name): ImagePlan => {
    const short = shortName(name);
    if (short === 'kube-proxy') return image(name, [kubernetes, iptablesLayer(o.base)]);
    if (KUBERNETES_IMAGES.includes(short)) return image(name, [kubernetes]);
    if (short === 'etcd') return image(name, [programLayer('etcd', mustHave(o.programs, 'etcd'))]);
    if (short === 'coredns')
      return image(
        name,
        [programLayer('coredns', mustHave(o.programs, 'kinddns'))],
        '/usr/local/bin/coredns',
      );
    if (short === 'pause')
      return image(name, [programLayer('pause', mustHave(o.programs, 'pause'))], '/usr/local/bin/pause');
    throw new Error(`kubeadm wants the image ${name}, of which nothing here is known`);
  });
  const paths: string[] = [];
  for (const plan of plans) paths.push(await buildImage(plan, o.cache));
  return paths;
}

function image(name: string, layers: readonly LayerPlan[], entrypoint?: string): ImagePlan {
  const Entrypoint = entrypoint === undefined ? [] : [entrypoint];
  const User = shortName(name) === 'pause' ? '65535:65535' : '0';
  const config = { Entrypoint, User, WorkingDir: '/', Env: [`PATH=${PATH}`] };
  return { name, architecture: ownArchitecture(), layers, config };
}

function programLayer(name: string, path: string, otherNames: readonly string[] = []): LayerPlan {
  return {
    name: `node-${name}`,
    // The path holds the hash of what the program is made of.
    key: keyOf([path, otherNames]),
    async fill(folder) {
      const bin = join(folder, 'usr/local/bin');
      mkdirSync(bin, { recursive: true });
      mkdirSync(join(folder, 'tmp'));
      cpSync(path, join(bin, name));
      for (const other of otherNames) symlinkSync(name, join(bin, other));
    },
  };
}

/** iptables with its libraries and extensions, as the node's own Debian has them. */
function iptablesLayer(base: string): LayerPlan {
  return {
    name: 'node-iptables',
    key: keyOf([base, IPTABLES_NAMES]),
    async fill(folder) {
      const put = (path: string) => {
        const to = join(folder, path.replace(/^\/lib\//, '/usr/lib/'));
        mkdirSync(dirname(to), { recursive: true });
        cpSync(join(base, path), to, { recursive: true, dereference: true });
      };
      const extensions = (
        await run(['chroot', base, 'find', '/usr/lib', '-type', 'd', '-name', 'xtables'])
      ).trim();
      const plugins = readdirSync(join(base, extensions)).filter((name) => name.endsWith('.so'));
      const programs = [`/${IPTABLES}`, ...plugins.map((name) => join(extensions, name))];
      const libraries = librariesIn(await run(['chroot', base, 'ldd', ...programs]));
      for (const path of new Set([`/${IPTABLES}`, ...libraries])) put(path);
      put(extensions);
      for (const name of IPTABLES_NAMES) symlinkSync(basename(IPTABLES), join(folder, 'usr/sbin', name));
      mkdirSync(join(folder, 'run'), { recursive: true });
    },
  };
}
