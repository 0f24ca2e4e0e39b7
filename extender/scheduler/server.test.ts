import fc from 'fast-check';
import t from 'tap';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { IntentStore } from '../intents/store.ts';
import { AssumedPods } from '../placement/assumedpods.ts';
import type { State } from '../placement/state.ts';
import { createExtenderServer } from './server.ts';

const log = createLogger({ component: 'verbs', level: 'silent' });
const store = new IntentStore(log);
const nodes = new FakeCache<Node>(NODES);
const state: State = {
  store,
  pods: new FakeCache<Pod>(PODS, POD_INDEXES),
  nodes,
  assumedPods: new AssumedPods(Date.now),
  refusals: { closedReason: () => undefined },
  requestsOf: memoizeRequests(),
  now: Date.now,
};
const leaderOf = (known: State) => ({
  state: known,
  client: {} as KubeClient,
  signal: new AbortController().signal,
  observe: () => {},
});

let leads = true;
const app = createExtenderServer({
  leader: () => (leads ? leaderOf(state) : undefined),
  log,
  limits: { bodyBytes: 100_000 },
});
t.teardown(() => app.close());

const node = (name: string, joined: boolean): Node => ({
  metadata: { name },
  status: joined ? { nodeInfo: { kubeletVersion: 'v1.36.3' } } : {},
});
const nodeIntent = (nodeName: string): Intent => ({
  id: `node/${nodeName}`,
  plan: 'saving',
  nodeClaim: 'c',
  nodeName,
  node: {
    providerId: 'p',
    labels: {},
    annotations: {},
    taints: [],
    capacity: {},
    allocatable: {},
    joinDeadlineMs: 0,
    nodeClaimUid: '',
  },
});
const pinIntent = (uid: string, nodeName: string): Intent => ({
  id: `pin/${uid}`,
  plan: 'saving',
  nodeClaim: 'c',
  nodeName,
  pin: { namespace: 'n', pod: { name: uid, uid } },
});

t.before(() => {
  for (const name of ['old', 'other']) nodes.put(node(name, true));
  nodes.put(node('ready', true));
  nodes.put(node('coming', false));
  store.upsert(nodeIntent('ready'), 1);
  store.upsert(nodeIntent('coming'), 2);
  store.upsert(pinIntent('mine', 'ready'), 3);
  store.upsert(pinIntent('waiting', 'coming'), 4);
});

const names = ['old', 'other', 'ready'];
const post = async (url: string, payload: object | string) => {
  const answer = await app.inject({
    method: 'POST',
    url,
    payload,
    headers: { 'content-type': 'application/json' },
  });
  return { status: answer.statusCode, body: answer.json() as Record<string, unknown> };
};
const asked = (uid: string) => ({ metadata: { name: uid, namespace: 'n', uid }, spec: { containers: [] } });

t.test('a pinned pod keeps to its node, with a reason for each other one', async (t) => {
  const { body } = await post('/filter', { Pod: asked('mine'), NodeNames: names });
  t.same(body.NodeNames, ['ready']);
  t.same(body.FailedNodes, {
    old: 'plan saving puts this pod on node ready',
    other: 'plan saving puts this pod on node ready',
  });
});

t.test('another pod stays off reserved nodes', async (t) => {
  const { body } = await post('/filter', { Pod: asked('stranger'), NodeNames: names });
  t.same(body.NodeNames, ['old', 'other']);
  t.same(body.FailedNodes, { ready: 'reserved for the pods of plan saving' });
});

t.test('fault 4: a pod of a DaemonSet goes to reserved nodes, however the request is written', async (t) => {
  const ownerReferences = [{ kind: 'DaemonSet', name: 'd', uid: 'd', controller: true }];
  const Pod = { ...asked('daemon'), metadata: { ...asked('daemon').metadata, ownerReferences } };
  const { body } = await post('/filter', { NodeNames: names, Pod });
  t.same(body.NodeNames, names);
  const written = await post('/filter', JSON.stringify({ Pod, Nodes: null, NodeNames: names }));
  t.same(written.body.NodeNames, names);
});

t.test('a pod whose node has not joined waits for it', async (t) => {
  const { body } = await post('/filter', { Pod: asked('waiting'), NodeNames: names });
  t.same(body.NodeNames, []);
  t.match(body.FailedNodes, { old: 'plan saving puts this pod on a node that has not joined yet' });
});

t.test('a pod whose own node is ruled out by the scheduler may go elsewhere', async (t) => {
  const { body } = await post('/filter', { Pod: asked('mine'), NodeNames: ['old', 'other'] });
  t.same(body.NodeNames, ['old', 'other']);
});

t.test('node objects are answered with node objects', async (t) => {
  const Nodes = { items: names.map((name) => ({ metadata: { name } })) };
  const { body } = await post('/filter', { pod: asked('mine'), nodes: Nodes });
  t.same(body.Nodes, { items: [{ metadata: { name: 'ready' } }] });
  t.notOk(body.NodeNames);
});

t.test('the own node scores best', async (t) => {
  const { body } = await post('/prioritize', { Pod: asked('mine'), NodeNames: names });
  t.same(body, [{ Host: 'ready', Score: 10 }], 'a node that is not named has 0');
});

t.test('a replica that does not lead has no effect', async (t) => {
  leads = false;
  t.teardown(() => {
    leads = true;
  });
  const { body } = await post('/filter', { Pod: asked('mine'), NodeNames: names });
  t.same(body.NodeNames, names);
});

t.test('a leader whose pinning is off has no effect', async (t) => {
  const off = new IntentStore(log);
  off.upsert(nodeIntent('ready'), 1);
  off.disable();
  const idle = createExtenderServer({ leader: () => leaderOf({ ...state, store: off }), log });
  t.teardown(() => idle.close());
  const payload = { Pod: asked('mine'), NodeNames: names };
  t.same((await idle.inject({ method: 'POST', url: '/filter', payload })).json().NodeNames, names);
  t.same((await idle.inject({ method: 'POST', url: '/prioritize', payload })).json(), []);
});

t.test(
  'a replica that does not lead closes the connection, so that the caller finds another one',
  async (t) => {
    const payload = { Pod: asked('mine'), NodeNames: names };
    const connection = async () =>
      (await app.inject({ method: 'POST', url: '/filter', payload })).headers.connection;
    t.equal(await connection(), 'keep-alive');
    leads = false;
    t.teardown(() => {
      leads = true;
    });
    t.equal(await connection(), 'close');
  },
);

t.test(
  'what kube-scheduler writes is answered with its own list while nothing is reserved for anyone',
  async (t) => {
    const none: State = { ...state, store: new IntentStore(log) };
    const idle = createExtenderServer({ leader: () => leaderOf(none), log });
    t.teardown(() => idle.close());
    const payload = JSON.stringify({ Pod: asked('stranger'), Nodes: null, NodeNames: names });
    const headers = { 'content-type': 'application/json' };
    const filtered = await idle.inject({ method: 'POST', url: '/filter', payload, headers });
    t.same(filtered.json(), { Nodes: null, NodeNames: names });
    const scored = await idle.inject({ method: 'POST', url: '/prioritize', payload, headers });
    t.same(scored.json(), []);
  },
);

t.test('what kube-scheduler writes is answered as any other way of writing it', async (t) => {
  for (const uid of ['mine', 'stranger', 'waiting']) {
    for (const url of ['/filter', '/prioritize']) {
      const one = await post(url, JSON.stringify({ Pod: asked(uid), Nodes: null, NodeNames: names }));
      const other = await post(url, { NodeNames: names, Pod: asked(uid) });
      t.match(one.body, url === '/filter' ? { NodeNames: other.body.NodeNames } : other.body);
      t.same(one.body.FailedNodes, other.body.FailedNodes);
    }
  }
});

const bad: readonly (readonly [string, string, object | string])[] = [
  ['no JSON', '/filter', '{'],
  ['no object', '/filter', '[]'],
  ['no pod', '/filter', { NodeNames: [] }],
  ['no nodes', '/prioritize', { Pod: asked('mine') }],
  ['names that are no names', '/filter', { Pod: asked('mine'), NodeNames: [1] }],
  ['a binding without UID', '/bind', { PodName: 'p', PodNamespace: 'n', Node: 'x' }],
  ['too much', '/filter', { Pod: asked('mine'), NodeNames: ['x'.repeat(200_000)] }],
];
for (const [what, url, payload] of bad) {
  t.test(`${what} is answered with 400 and a sentence`, async (t) => {
    const { status, body } = await post(url, payload);
    t.equal(status, 400);
    t.type(body.Error, 'string');
    t.not(body.Error, '');
  });
}

t.test('no JSON at all makes it fail', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('/filter', '/prioritize', '/bind'),
      fc.jsonValue(),
      async (url, value) => {
        const { status } = await post(url, JSON.stringify(value));
        if (status !== 200 && status !== 400) throw new Error(`answered ${status}`);
      },
    ),
    { numRuns: 300 },
  );
});
