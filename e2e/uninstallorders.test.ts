import t from 'tap';
import { seeded, shuffled } from './faults/random.ts';
import { chosen, uninstallSeed } from './run/chosen.ts';
import { kubectl, takeAway } from './support/uninstall.ts';

/** Uninstalling in other orders than kubectl's own, while a plan runs. See docs/designs/0017-uninstall.md. */

const SEED = uninstallSeed(process.env, Date.now());
const REST = ['delete', '--ignore-not-found', '--kustomize=manifests/base'];

const crdsFirst = () =>
  t.test('the CRDs first, with a plan in Creation', (t) =>
    takeAway(t, { name: 'crds-first', phase: 'Creation' }, async (stage) => {
      await kubectl(stage, 'delete', '--filename=manifests/base/crds');
      await kubectl(stage, ...REST);
    }),
  );

const namespaceFirst = () =>
  t.test('the namespace first, with a plan in Deletion', (t) =>
    takeAway(t, { name: 'namespace-first', phase: 'Deletion' }, async (stage) => {
      await kubectl(stage, 'delete', 'namespace', 'castai-agent');
      await kubectl(stage, ...REST);
    }),
  );

interface Installed {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

const shuffledOrder = () =>
  t.test(`one object after the other in any order, with a plan in Deletion (seed ${SEED})`, (t) =>
    takeAway(t, { name: 'shuffled', phase: 'Deletion' }, async (stage) => {
      const answer = await stage.ground.kubectl(['get', '--kustomize=manifests/base', '--output=json']);
      const { items } = JSON.parse(answer) as { readonly items: readonly Installed[] };
      const order = shuffled(items, seeded(SEED));
      t.comment(order.map(({ kind, metadata }) => `${kind}/${metadata.name}`).join(' '));
      for (const { kind, metadata } of order) {
        const place = metadata.namespace ? [`--namespace=${metadata.namespace}`] : [];
        await kubectl(stage, 'delete', kind, metadata.name, ...place, '--wait=false', '--ignore-not-found');
      }
    }),
  );

for (const scene of chosen([crdsFirst, namespaceFirst, shuffledOrder], 1, SEED, process.env)) scene();
