import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { CORDONED_BY, IN_USE_BY, LOCKED_BY } from '../../api/labels.ts';
import * as resources from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { CORDONED, DELETE } from '../testing/decisions.ts';
import { Process } from '../testing/process.ts';

const { NODES, NODE_CLAIMS, REBALANCE_PLANS } = resources;

t.test('a step is told when it is done, not when the last of its pass is', async (t) => {
  const api = new MemoryApi({ now: () => make.NOW });
  const { metadata, spec, status } = make.plan(
    DELETE,
    { failurePhase: 'Deletion', failureReason: 'x', failureMessage: 'it failed' },
    'PinsReady',
  );
  const { uid = '' } = api.create(REBALANCE_PLANS, { metadata, spec }).metadata;
  api.edit(REBALANCE_PLANS, { name: 'plan' }, (plan) => ({ ...plan, ...(status && { status }) }));
  const mark = `plan/${uid}`;
  const claim = make.nodeClaim('blue', { annotations: { [IN_USE_BY]: mark } });
  api.create(NODE_CLAIMS, claim);
  api.edit(NODE_CLAIMS, { name: 'blue' }, (found) => ({
    ...found,
    ...(claim.status && { status: claim.status }),
  }));
  const annotations = { ...CORDONED.metadata.annotations, [CORDONED_BY]: mark, [LOCKED_BY]: mark };
  api.create(NODES, { ...CORDONED, metadata: { ...CORDONED.metadata, annotations } });
  const written: string[] = [];
  const process = new Process(
    api,
    () => make.NOW,
    ({ verb, resource }) => void (verb === 'patch' && written.push(resource.kind)),
  );
  for (const begin of process.reconciles(['plan'], [])) begin();
  await setImmediate();
  let toldAfter: number | undefined;
  // Each turn serves the oldest request, so that of two steps one is done while the other waits.
  while (process.requests.length > 0) {
    process.requests.shift()?.();
    await setImmediate();
    if (process.events.length > 0) toldAfter ??= written.length;
  }
  t.ok(written.length > 1, `the pass has several writes: ${written}`);
  t.equal(toldAfter, 1, 'the first is told before the second is done');
});
