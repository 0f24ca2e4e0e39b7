import t from 'tap';
import { kubectl, takeAway } from './support/uninstall.ts';

/** Uninstalling in one go while a plan runs: it ends, and nothing of ours is left. See docs/designs/0017-uninstall.md. */

const ALL = '--kustomize=manifests/base';

for (const phase of ['Creation', 'Deletion'] as const) {
  t.test(`kubectl delete -k in one go ends, with a plan in ${phase}`, (t) =>
    takeAway(t, { name: `one-go-${phase.toLowerCase()}`, phase }, (stage) => kubectl(stage, 'delete', ALL)),
  );
}
