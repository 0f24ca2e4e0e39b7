import t from 'tap';
import { PLACEHOLDER } from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { LEASES, NODE_CLAIMS, NODES, type Resource } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { Action } from '../../kube/controller/controller.ts';
import { fromStatus, KubeError, type Status } from '../../kube/errors.ts';
import { createScene, nodeIntentOf, nodeOf, podOf, slotsIntentOf } from '../testing/scene.ts';
import { createPlaceholderController } from './controller.ts';

/** A source that ends without a word leaves its intents behind; the NodeClaims tell what became of their machines. */

const log = createLogger({ component: 'goneclaims', level: 'silent' });
/** An answer of 404; the API server's own is a Status that names the object. */
const answered404 = (body: Status): Error =>
  fromStatus({ server: 'test', status: 404, about: { name: 'claim', plural: 'nodeclaims' } }, body);
const missing = (name: string, kind = 'nodeclaims'): Error =>
  answered404({ reason: 'NotFound', message: 'it does not exist', details: { name, kind } });

/** A placeholder controller over a scene, with the NodeClaims of the API server; `writes` are its requests. */
const open = () => {
  const scene = createScene();
  const claims = new Map<string, NodeClaim>();
  const writes: string[] = [];
  const told: string[] = [];
  const api = { asked: 0, refuses: undefined as Error | undefined, onAsked: (): void => {} };
  const client: Partial<KubeClient> = {
    get: async (resource: Resource<never>, { name }: { readonly name: string }) => {
      if (resource.plural === NODES.plural) return scene.nodes.get(name) as never;
      api.asked++;
      api.onAsked();
      if (api.refuses) throw api.refuses;
      const claim = claims.get(name);
      if (resource.plural !== NODE_CLAIMS.plural || !claim) throw missing(name);
      return claim as never;
    },
    create: async (resource: Resource<never>, object: never) => {
      const node = object as Node;
      if (resource.plural === LEASES.plural) return object;
      writes.push(`create ${node.metadata.name}`);
      scene.nodes.put({ ...node, metadata: { ...node.metadata, uid: 'node-uid' } });
      return object;
    },
    patch: async (resource: Resource<never>, { name }: { readonly name: string }) => {
      if (resource.plural === LEASES.plural) writes.push(`renew ${name}`);
      return {} as never;
    },
    delete: async (resource: Resource<never>, { name }: { readonly name: string }) => {
      writes.push(`delete ${resource.plural} ${name}`);
      if (resource.plural === NODES.plural) scene.nodes.drop(name);
    },
  };
  const { reconcile } = createPlaceholderController({
    client: client as KubeClient,
    state: scene.state,
    report: (id, { state, reason }) => void told.push(`${id} ${state}: ${reason}`),
    log,
  });
  const look = async (): Promise<{ readonly wrote: readonly string[]; readonly action: Action }> => {
    writes.length = 0;
    const action = await reconcile('a', new AbortController().signal);
    return { wrote: [...writes], action };
  };
  const ordered = (uid = 'first', metadata: object = {}): void =>
    void claims.set('claim', {
      metadata: { name: 'claim', uid, ...metadata },
      spec: { nodeClassRef: { group: '', kind: '', name: '' }, requirements: [] },
    });
  scene.store.beginResync();
  scene.store.upsert(slotsIntentOf('a', 2), 1);
  scene.store.upsert(nodeIntentOf('a', { nodeClaimUid: 'first' }), 2);
  scene.store.endResync(2);
  return { ...scene, claims, api, told, look, ordered };
};

t.test('a machine whose NodeClaim exists gets its placeholder, and keeps it', async (t) => {
  const { look, ordered } = open();
  ordered();
  t.strictSame((await look()).wrote, ['create a', 'renew a']);
  t.strictSame((await look()).wrote, ['renew a']);
});

t.test('fault: no placeholder is made on the word of a source that is gone (invariant 2)', async (t) => {
  const { look, store, told } = open();
  t.strictSame((await look()).wrote, []);
  t.equal(store.size, 0, 'the intents of that machine are dropped, its pins with it');
  const reason = 'its NodeClaim claim no longer exists';
  t.strictSame(
    told.toSorted(),
    [`node/a GIVEN_UP: ${reason}`, `pin/a GIVEN_UP: ${reason}`],
    'the source is told of each',
  );
  t.strictSame((await look()).wrote, []);
});

t.test('fault: a placeholder is not kept longer than its NodeClaim, its pods leave first', async (t) => {
  const { look, ordered, claims, pods } = open();
  ordered();
  await look();
  pods.put(podOf('x', { nodeName: 'a' }));
  claims.clear();
  t.strictSame((await look()).wrote, ['delete pods x', 'delete nodes a']);
});

t.test('fault: nor where no source has told its state yet', async (t) => {
  const { look, store, nodes, claims, ordered } = open();
  store.disable();
  store.beginResync();
  const ownerReferences = [{ apiVersion: 'karpenter.sh/v1', kind: 'NodeClaim', name: 'claim', uid: 'first' }];
  const node = nodeOf('a', { hasJoined: false });
  nodes.put({ ...node, metadata: { ...node.metadata, labels: { [PLACEHOLDER]: 'true' }, ownerReferences } });
  ordered();
  t.strictSame((await look()).wrote, ['renew a'], 'the missing intent may only be late');
  claims.clear();
  t.strictSame((await look()).wrote, ['delete nodes a']);
});

t.test('a NodeClaim of another uid or on its way out is gone, too', async (t) => {
  for (const [uid, metadata, reason] of [
    ['second', {}, 'its NodeClaim claim no longer exists'],
    ['first', { deletionTimestamp: '2030-01-01T00:00:00Z' }, 'its NodeClaim claim is being deleted'],
  ] as const) {
    const { look, ordered, told } = open();
    ordered(uid, metadata);
    t.strictSame((await look()).wrote, []);
    t.strictSame(told.toSorted(), [`node/a GIVEN_UP: ${reason}`, `pin/a GIVEN_UP: ${reason}`]);
  }
});

t.test('while the API server does not tell, nothing is made, and what there is stays', async (t) => {
  const { look, ordered, api, store } = open();
  api.refuses = new KubeError('it is away', { kind: 'retryable', status: 503 });
  const { wrote, action } = await look();
  t.strictSame(wrote, []);
  t.equal(action.kind, 'requeue');
  t.equal(store.size, 2, 'the intents stay');
  api.refuses = undefined;
  ordered();
  t.strictSame((await look()).wrote, ['create a', 'renew a']);
  api.refuses = new KubeError('forbidden', { kind: 'forbidden', status: 403 });
  t.strictSame((await look()).wrote, ['renew a']);
});

t.test('a machine that has joined and one without a uid are not asked for', async (t) => {
  const { look, api, nodes, store } = open();
  nodes.put(nodeOf('a'));
  await look();
  t.equal(api.asked, 0);
  nodes.drop('a');
  store.upsert(nodeIntentOf('a'), 3);
  t.strictSame(
    (await look()).wrote,
    ['create a', 'renew a'],
    'its source answers for it, up to the deadline',
  );
  t.equal(api.asked, 0);
});

t.test('fault: pins to a node that was there and is gone do not wait for it for ever', async (t) => {
  const { look, store, nodes, told } = open();
  store.remove('node/a', 3);
  t.equal((await look()).action.kind, 'await-change');
  t.equal(store.size, 1, 'a node that was never there may come');
  nodes.put(nodeOf('a'));
  await look();
  nodes.drop('a');
  await look();
  t.equal(store.size, 0);
  t.strictSame(told, ['pin/a GIVEN_UP: its Node no longer exists'], 'their source is told');
});

t.test('fault: a 404 that does not say that this NodeClaim is missing ends nothing', async (t) => {
  for (const body of [
    { message: '404 page not found' },
    { message: 'default backend - 404', reason: 'NotFound' },
    { reason: 'NotFound', details: { name: 'other', kind: 'nodeclaims' } },
    { reason: 'NotFound', details: { name: 'claim', kind: 'namespaces' } },
    { details: { name: 'claim', kind: 'nodeclaims' } },
  ]) {
    const { look, ordered, api, store, told } = open();
    ordered();
    await look();
    told.length = 0;
    api.refuses = answered404(body);
    t.strictSame((await look()).wrote, ['renew a'], JSON.stringify(body));
    t.equal(store.size, 2);
    t.notOk(told.some((each) => each.includes('GIVEN_UP')));
  }
});

t.test(
  'fault: intents that came while the API server was asked are not dropped with the old ones',
  async (t) => {
    const { look, ordered, api, claims, pods, store, told } = open();
    ordered();
    await look();
    pods.put(podOf('x', { nodeName: 'a' }));
    claims.clear();
    api.onAsked = () => {
      store.upsert({ ...nodeIntentOf('a', { nodeClaimUid: 'second' }), nodeClaim: 'next' }, 3);
      store.upsert({ ...slotsIntentOf('a', 1, 'pin/next'), nodeClaim: 'next' }, 4);
    };
    const { wrote, action } = await look();
    t.strictSame(wrote, [], 'what to do with the placeholder is decided anew');
    t.equal(action.kind, 'requeue');
    t.strictSame(
      store
        .list()
        .map(({ intent }) => intent.id)
        .toSorted(),
      ['node/a', 'pin/next'],
    );
    t.notOk(told.includes('node/a GIVEN_UP: its NodeClaim claim no longer exists'));
  },
);

t.test('fault: intents for another NodeClaim that has the same node name outlive the first', async (t) => {
  const { look, store } = open();
  store.upsert({ ...slotsIntentOf('a', 1, 'pin/next'), nodeClaim: 'next' }, 3);
  t.equal((await look()).action.kind, 'requeue');
  t.strictSame(
    store.list().map(({ intent }) => intent.id),
    ['pin/next'],
  );
});
