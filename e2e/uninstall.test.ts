import t from 'tap';
import { chosen, uninstallSeed } from './run/chosen.ts';
import { kubectl, takeAway } from './support/uninstall.ts';

/** Uninstalling in one go while a plan runs: it ends, and nothing of ours is left. See docs/designs/0017-uninstall.md. */

const ALL = '--kustomize=manifests/base';
const SEED = uninstallSeed(process.env, Date.now());

for (const phase of chosen(['Creation', 'Deletion'] as const, 1, SEED, process.env)) {
  t.test(`kubectl delete -k in one go ends, with a plan in ${phase} (seed ${SEED})`, (t) =>
    takeAway(t, { name: `one-go-${phase.toLowerCase()}`, phase }, (stage) => kubectl(stage, 'delete', ALL)),
  );
}
