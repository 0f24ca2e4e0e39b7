import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { CORDONED_BY, LOCKED_BY } from '../../api/labels.ts';
import * as make from '../testing/builders.ts';
import { CORDONED, DELETE } from '../testing/decisions.ts';
import { planScene } from '../testing/planscene.ts';
import { Process } from '../testing/process.ts';

t.test('a step is told when it is done, not when the last of its pass is', async (t) => {
  const failure = { failurePhase: 'Deletion', failureReason: 'x', failureMessage: 'it failed' } as const;
  const api = planScene(make.plan(DELETE, failure, 'PinsReady'), CORDONED, [CORDONED_BY, LOCKED_BY]);
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
