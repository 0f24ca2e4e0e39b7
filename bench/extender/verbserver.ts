import type { AddressInfo } from 'node:net';
import type { Node, Pod } from '../../api/objects.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { IntentStore } from '../../extender/intents/store.ts';
import { AssumedPods } from '../../extender/placement/assumedpods.ts';
import type { State } from '../../extender/placement/state.ts';
import { createExtenderServer } from '../../extender/scheduler/server.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { namesOf } from '../support/cluster.ts';

/**
 * The extender's verbs over a cluster in memory: `verbserver.ts NODES plan|idle`. GET /times returns the milliseconds
 * of each verb since the last call.
 */

const RESERVED = 50;

const log = createLogger({ component: 'verbserver', level: 'error' });

const stateOf = (count: number, hasPlan: boolean): State => {
  const store = new IntentStore(log);
  const nodes = new FakeCache<Node>(NODES);
  const names = namesOf('node', count);
  for (const name of names) nodes.put({ metadata: { name } });
  if (hasPlan) {
    for (const nodeName of names.slice(0, RESERVED)) {
      const common = { plan: 'plan', nodeClaim: `claim-of-${nodeName}`, nodeName };
      const node = { providerId: '', labels: {}, annotations: {}, taints: [], capacity: {}, allocatable: {} };
      store.upsert(
        { ...common, id: `node/${nodeName}`, node: { ...node, joinDeadlineMs: 0, nodeClaimUid: '' } },
        1,
      );
      const owner = { kind: 'ReplicaSet', name: 'moved', uid: 'moved', count: 10 };
      store.upsert({ ...common, id: `pin/${nodeName}`, pin: { namespace: 'default', owner } }, 1);
    }
  }
  return {
    store,
    nodes,
    pods: new FakeCache<Pod>(PODS, POD_INDEXES),
    assumedPods: new AssumedPods(Date.now),
    refusals: { closedReason: () => undefined },
    requestsOf: memoizeRequests(),
    now: Date.now,
  };
};

const [count = '5000', mode = 'plan'] = process.argv.slice(2);
const state = stateOf(Number(count), mode === 'plan');
// Nothing is bound here.
const leader = { state, client: {} as KubeClient, signal: new AbortController().signal, observe: () => {} };
const app = createExtenderServer({ leader: () => leader, log });
// From reading a request's head to handing its answer to the kernel.
let times: number[] = [];
const started = new WeakMap<object, number>();
app.addHook('onRequest', async (request) => void started.set(request, performance.now()));
app.addHook('onResponse', async (request) => {
  if (request.method === 'POST') times.push(performance.now() - (started.get(request) ?? 0));
});
app.get('/times', async () => {
  const told = times;
  times = [];
  return told;
});
await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`listening ${(app.server.address() as AddressInfo).port}\n`);
process.on('SIGTERM', () => process.exit(0));
