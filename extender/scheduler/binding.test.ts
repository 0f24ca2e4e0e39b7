import t from 'tap';
import { narrowAffinity } from '../../api/heldpods.ts';
import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FencedError, KubeError } from '../../kube/errors.ts';
import { createScene, nodeOf, podIntentOf, podOf, slotsIntentOf } from '../testing/scene.ts';
import { createExtenderServer } from './server.ts';

/** The verb bind, asked by anyone who reaches it. The plan has two pods of `n/web` on node `a`. */

const log = createLogger({ component: 'binding', level: 'silent' });

const open = (o: { readonly leads?: boolean; readonly error?: Error } = {}) => {
  const scene = createScene();
  for (const name of ['a', 'b']) scene.nodes.put(nodeOf(name));
  scene.store.upsert(slotsIntentOf('a', 2), 1);
  scene.pods.put(podOf('web-1'));
  const sent: { path: string; body: object }[] = [];
  const client = {
    request: async (_method: string, path: string, { body }: { body: object }) => {
      if (o.error) throw o.error;
      sent.push({ path, body });
    },
    get: async () => podOf('web-1', { nodeName: 'b' }),
  } as unknown as KubeClient;
  const { signal } = new AbortController();
  const leader = { state: scene.state, client, signal, observe: () => {} };
  const app = createExtenderServer({ leader: () => (o.leads === false ? undefined : leader), log });
  t.teardown(() => app.close());
  const bind = async (more: object = {}): Promise<string> => {
    const payload = { PodName: 'web-1', PodNamespace: 'n', PodUID: 'web-1', Node: 'a', ...more };
    const { statusCode, body } = await app.inject({ method: 'POST', url: '/bind', payload });
    t.equal(statusCode, 200, 'kube-scheduler reads errors of 200 alone');
    return (JSON.parse(body) as { Error: string }).Error;
  };
  return { ...scene, sent, bind };
};

t.test('a pod of a live pin is bound to its node, with its uid as precondition', async (t) => {
  const { bind, sent, assumedPods } = open();
  t.equal(await bind(), '');
  t.match(sent, [
    {
      path: '/api/v1/namespaces/n/pods/web-1/binding',
      body: { metadata: { uid: 'web-1', annotations: { [PIN]: 'pin/a' } }, target: { name: 'a' } },
    },
  ]);
  t.ok(assumedPods.has('web-1'), 'its room is taken');
  t.match(await bind(), /being bound/, 'and it is bound once');
});

t.test('a pod that a plan buys a machine for is bound to that one', async (t) => {
  const { bind, store, pods, sent } = open();
  store.upsert(podIntentOf('lone', 'b'), 2);
  pods.put(podOf('lone'));
  const lone = { PodName: 'lone', PodUID: 'lone' };
  t.match(await bind({ ...lone, Node: 'a' }), /no running plan/);
  t.equal(await bind({ ...lone, Node: 'b' }), '');
  t.equal(sent.length, 1);
});

const attacks: readonly (readonly [string, (scene: ReturnType<typeof open>) => object, RegExp])[] = [
  ['a pod that does not exist', () => ({ PodName: 'evil', PodUID: 'u' }), /no such pod/],
  ['a pod by the uid of its predecessor', () => ({ PodUID: 'before' }), /no such pod/],
  ['to a node that no plan has it on', () => ({ Node: 'b' }), /no running plan puts the pod on that node/],
  [
    'a pod of another namespace with a forged owner',
    ({ pods }) => {
      const pod = podOf('evil');
      pods.put({ ...pod, metadata: { ...pod.metadata, namespace: 'attacker' } });
      return { PodName: 'evil', PodUID: 'evil', PodNamespace: 'attacker' };
    },
    /no running plan/,
  ],
  [
    'a pod with a forged pin',
    ({ pods }) => {
      const { metadata, spec } = podOf('evil');
      const annotations = { [PIN]: 'pin/a' };
      const pod: Pod = { metadata: { ...metadata, namespace: 'attacker', annotations }, spec };
      const required = { requiredDuringSchedulingIgnoredDuringExecution: narrowAffinity(pod, 'a') };
      pods.put({ ...pod, spec: { ...spec, affinity: { nodeAffinity: required } } });
      return { PodName: 'evil', PodUID: 'evil', PodNamespace: 'attacker' };
    },
    /no running plan/,
  ],
  [
    'more pods than there are slots',
    ({ pods }) => {
      for (const name of ['x', 'y']) pods.put(podOf(name, { nodeName: 'a' }));
      return {};
    },
    /no running plan/,
  ],
  [
    'a pod before its volume is there',
    ({ pods }) => {
      const pod = podOf('web-1');
      const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
      pods.put({ ...pod, spec: { ...pod.spec, volumes } });
      return {};
    },
    /not bound by the pod pinner/,
  ],
  [
    'a pod of another scheduler',
    ({ pods }) => {
      const pod = podOf('web-1');
      pods.put({ ...pod, spec: { ...pod.spec, schedulerName: 'volcano' } });
      return {};
    },
    /no running plan|volcano/,
  ],
  [
    'a pod that waits behind our gate',
    ({ pods }) => {
      pods.put(podOf('web-1', { gatedFor: 'pin/a' }));
      return {};
    },
    /gate/,
  ],
  [
    'while pinning is off',
    ({ store }) => {
      store.disable();
      return {};
    },
    /pinning is off/,
  ],
];
for (const [what, prepare, reason] of attacks) {
  t.test(`attack: a stranger gets nothing bound: ${what}`, async (t) => {
    const scene = open();
    t.match(await scene.bind(prepare(scene)), reason);
    t.same(scene.sent, []);
  });
}

t.test('attack: a stranger gets nothing bound by a replica that does not lead', async (t) => {
  const { bind, sent } = open({ leads: false });
  t.match(await bind(), /does not lead/);
  t.same(sent, []);
});

t.test('a leader that may be one no longer binds nothing', async (t) => {
  const fenced = open({ error: new FencedError('the Lease may be held by another') });
  t.match(await fenced.bind(), /Lease/);
  t.notOk(fenced.assumedPods.has('web-1'));
});

t.test('a pod that went elsewhere meanwhile is told of', async (t) => {
  const { bind } = open({ error: new KubeError('it is on b', { kind: 'conflict' }) });
  t.match(await bind(), /another writer placed or deleted it first/);
});
