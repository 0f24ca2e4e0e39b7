import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Node, NodeClaim, Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { until } from '../../kube/testing/until.ts';
import { CACHED_NODE_INDEXES, CACHED_POD_INDEXES } from '../caches.ts';
import * as make from '../testing/builders.ts';
import { ExtraIntents } from './extraintents.ts';
import { IntentRegistry } from './intentregistry.ts';
import { publishIntents } from './publish.ts';

const PENDING = { namespace: 'shop', name: 'waits', dstNodeClaimName: 'green' };

t.test('fault 15: a waiting pod that is created anew under its name is published', async (t) => {
  const caches = {
    plans: new FakeCache<RebalancePlan>(resources.REBALANCE_PLANS),
    pods: new FakeCache<Pod>(resources.PODS, CACHED_POD_INDEXES),
    nodes: new FakeCache<Node>(resources.NODES, CACHED_NODE_INDEXES),
    nodeClaims: new FakeCache<NodeClaim>(resources.NODE_CLAIMS),
  };
  const ended = new AbortController();
  t.teardown(() => ended.abort());
  caches.nodeClaims.put(make.nodeClaim('green'));
  caches.plans.put(make.plan({ nodeClaimsToAdd: [make.toAdd('green')], podsToMigrate: [PENDING] }));
  const intentRegistry = new IntentRegistry();
  publishIntents({
    intentRegistry,
    caches,
    nodeNames: { get: () => 'node-green', onChange: () => () => {} },
    joinDeadlineMs: 600_000,
    extraIntents: new ExtraIntents(),
    log: createLogger({ component: 'publish', level: 'silent' }),
    signal: ended.signal,
  });
  const uids = (): readonly string[] =>
    intentRegistry.ids().flatMap((id) => intentRegistry.get(id)?.intent.pin?.pod?.uid ?? []);
  const shows = (expected: readonly string[]): Promise<unknown> =>
    until(`the uids ${expected}`, () => JSON.stringify(uids()) === JSON.stringify(expected), {
      timeoutMs: 10_000,
      everyMs: 10,
    });
  caches.pods.put(make.pod('waits', { uid: 'first' }));
  await shows(['first']);
  caches.pods.drop('shop/waits');
  await shows([]);
  caches.pods.put(make.pod('waits', { uid: 'second' }));
  await shows(['second']);
  t.pass('each change of the pod was published');
});
