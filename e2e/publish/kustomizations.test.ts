import { cpSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { kustomized, type Rendered, ROOT } from '../charts/tools.ts';
import { KUSTOMIZE, writeKustomizations } from './kustomizations.ts';

/** What `make push` leaves for kustomize: the base and each overlay, with the image that was pushed. */

const MINUTES = { timeout: 540_000 };
const DIGEST = `sha256:${'ab'.repeat(32)}`;
const PUSHED = `registry.example.com/platform/precision-packer@${DIGEST}`;

const imagesOf = (objects: ReadonlyMap<string, Rendered>): readonly string[] =>
  [...JSON.stringify([...objects.values()]).matchAll(/"image":"([^"]+)"/g)].map(([, image = '']) => image);

t.test('the base and each overlay name the image that was pushed', MINUTES, async (t) => {
  const root = t.testdir({});
  cpSync(join(ROOT, 'manifests'), join(root, 'manifests'), { recursive: true });
  const image = {
    name: 'precision-packer',
    newName: 'registry.example.com/platform/precision-packer',
    digest: DIGEST,
  };
  const written = writeKustomizations(root, image);
  for (const overlay of ['kept-nominations', 'policies-api', 'second-scheduler'])
    t.ok(written.includes(join(KUSTOMIZE, 'overlays', overlay)), overlay);
  for (const folder of written) {
    const objects = await kustomized(join(root, folder));
    const images = imagesOf(objects).filter((each) => !each.startsWith('registry.k8s.io/'));
    t.same(images, [PUSHED, PUSHED, PUSHED, PUSHED], folder);
  }
  t.same(writeKustomizations(root, image), written, 'also over those of a push before');
});
