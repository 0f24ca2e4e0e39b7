import t from 'tap';
import { REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import { createLogger } from '../../kube/component/log.ts';
import { KubeError } from '../../kube/errors.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { NOW } from '../testing/builders.ts';
import { memoryCaches } from '../testing/memorycaches.ts';
import { createPlanGenerationController } from './generate.ts';
import { PlanningError } from './plannerworker.ts';

/** A claim whose status the API server refuses: nothing is searched for before it is written that it is. */

for (const status of [413, 403]) {
  t.test(`no search begins for a claim whose status is refused with ${status}`, async (t) => {
    const api = new MemoryApi({ now: () => NOW });
    api.create(REBALANCE_PLAN_CLAIMS, { metadata: { name: 'claim' }, spec: { autoExecute: true } });
    let mayWrite = false;
    let searches = 0;
    const events: string[] = [];
    const controller = createPlanGenerationController({
      client: memoryClient(api, async ({ subresource }, serve) => {
        if (subresource === 'status' && !mayWrite)
          throw new KubeError('no', { kind: status === 403 ? 'forbidden' : 'terminal', status });
        return serve();
      }),
      caches: memoryCaches(api).caches,
      catalogue: async () => ({ instanceTypes: [] }),
      priceWarning: () => undefined,
      planning: async () => {
        searches += 1;
        throw new PlanningError('nothing to plan');
      },
      isEnabled: () => true,
      timeBudgetMs: 1_000,
      surgeByDefault: false,
      recorder: { event: (_, __, ___, reason) => void events.push(reason), flush: async () => {} },
      log: createLogger({ component: 'test', level: 'silent' }),
      clock: { now: () => NOW },
    });
    const reconcile = () => controller.reconcile('claim', new AbortController().signal);
    // The work queue keeps the tries apart, and its log says why each failed.
    for (let again = 0; again < 3; again += 1) await t.rejects(reconcile(), { message: 'no' });
    t.equal(searches, 0);
    t.same(events, [], 'nothing is told that is not so');
    mayWrite = true;
    await reconcile();
    t.equal(searches, 1);
    t.match(api.get(REBALANCE_PLAN_CLAIMS, { name: 'claim' }).status, { state: 'Failed' });
  });
}
