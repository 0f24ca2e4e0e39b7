import t from 'tap';
import { AWAITS_PLAN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { Change } from '../../kube/cache/cache.ts';
import { NominationWitness } from './witness.ts';

const seen = (
  version: string,
  o: { readonly nominated?: string; readonly node?: string } = {},
): Change<Pod> => {
  const object: Pod = {
    metadata: { namespace: 'n', name: 'p', resourceVersion: version },
    spec: { containers: [], ...(o.node !== undefined && { nodeName: o.node }) },
    status: {
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }],
      ...(o.nominated !== undefined && { nominatedNodeName: o.nominated }),
    },
  };
  return { type: 'update', object, old: object };
};

t.test('fault: a nomination by kentroller does not pass for one of the admission policy', async (t) => {
  const witness = new NominationWitness();
  witness.look(seen('1'));
  witness.look(seen('2', { nominated: AWAITS_PLAN }));
  t.same(witness.nominatedAtOnce, []);
  t.same(witness.refused, ['n/p']);
  t.match(witness.unheld, [/^n\/p at version 1,/]);
  witness.clear();
  witness.look(seen('3', { nominated: AWAITS_PLAN }));
  t.same(witness.nominatedAtOnce, ['n/p']);
  t.same(witness.unheld, []);
});

t.test('a moment without a nomination counts at any time, until the pod has its node', async (t) => {
  const witness = new NominationWitness();
  witness.look(seen('1', { nominated: AWAITS_PLAN }));
  witness.look(seen('2'));
  witness.look(seen('3', { node: 'a' }));
  t.same(witness.unheld.length, 1);
  t.match(witness.unheld, [/version 2/]);
});
