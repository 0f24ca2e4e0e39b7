import t from 'tap';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { SlotAllocator } from '../slotservice/allocator.ts';
import { createScene, nodeIntentOf, nodeOf, OWNER, podOf, slotsIntentOf } from '../testing/scene.ts';
import { createExtenderServer } from './server.ts';

/**
 * Attack: a stranger asks a replica that does not lead, or a leader while pinning is off, where plans put pods. Every verb
 * answers as where no plan is.
 */

const log = createLogger({ component: 'silent', level: 'silent' });
const NAMES = ['a', 'b', 'coming'];
const signal = new AbortController().signal;

/** Writes of a verb; there must be none. */
const written: string[] = [];
const client = {
  request: async (method: string, path: string) => void written.push(`${method} ${path}`),
} as unknown as KubeClient;

/** A cluster whose plan has places for pods of OWNER on node `a`, and a machine on its way. */
const world = () => {
  const scene = createScene();
  for (const name of ['a', 'b']) scene.nodes.put(nodeOf(name));
  for (const name of ['a', 'coming']) scene.store.upsert(nodeIntentOf(name), 1);
  scene.store.upsert(slotsIntentOf('a', 2), 2);
  scene.pods.put(podOf('web-1'));
  return scene;
};

/** Pinning is off; what arrives all the same, such as a late message of a stream, is not to be told either. */
const offWorld = () => {
  const scene = world();
  scene.store.disable();
  for (const name of ['a', 'coming']) scene.store.upsert(nodeIntentOf(name), 3);
  scene.store.upsert(slotsIntentOf('a', 2), 4);
  return scene;
};

const serverOf = (state: ReturnType<typeof createScene>['state'] | undefined) => {
  const leader = state && { state, client, signal, observe: () => {} };
  const app = createExtenderServer({ leader: () => leader, log });
  t.teardown(() => app.close());
  return app;
};

const WORLDS = {
  'a replica that does not lead': serverOf(undefined),
  'a leader while pinning is off': serverOf(offWorld().state),
};

const PINNED = podOf('web-1');
const STRANGER = {
  metadata: { name: 'evil', namespace: 'attacker', uid: 'evil' },
  spec: { containers: [] },
};
const ITEMS = NAMES.map((name) => ({ metadata: { name } }));

/** By verb: what is sent, what says nothing of plans, and whether a leader with pinning on says more. */
const ROWS: Readonly<
  Record<string, readonly (readonly [what: string, sent: object, answer: object, differs: boolean])[]>
> = {
  '/filter': [
    ['a pinned pod', { Pod: PINNED, NodeNames: NAMES }, { NodeNames: NAMES }, true],
    ['a stranger', { Pod: STRANGER, NodeNames: NAMES }, { NodeNames: NAMES }, true],
    [
      'as kube-scheduler writes it',
      { Pod: PINNED, Nodes: null, NodeNames: NAMES },
      { NodeNames: NAMES },
      true,
    ],
    ['node objects', { Pod: PINNED, Nodes: { items: ITEMS } }, { Nodes: { items: ITEMS } }, true],
  ],
  '/prioritize': [
    ['a pinned pod', { Pod: PINNED, NodeNames: NAMES }, [], true],
    ['a stranger', { Pod: STRANGER, NodeNames: NAMES }, [], false],
    ['as kube-scheduler writes it', { Pod: PINNED, Nodes: null, NodeNames: NAMES }, [], true],
    ['node objects', { Pod: PINNED, Nodes: { items: ITEMS } }, [], true],
  ],
  '/bind': ['a', 'b'].map((Node) => [
    `a pinned pod to node ${Node}`,
    { PodName: 'web-1', PodNamespace: 'n', PodUID: 'web-1', Node },
    { Error: /^(this replica of the pod pinner does not lead|pod pinning is off)$/ },
    true,
  ]),
};

/** What tells of a plan: its name, its intents, a score. */
const TELLS = /saving|pin\/|reserved|joined|Score/;

for (const [who, app] of Object.entries(WORLDS)) {
  for (const [url, rows] of Object.entries(ROWS)) {
    for (const [what, payload, answer] of rows) {
      t.test(`attack: ${who} tells nothing by ${url}: ${what}`, async (t) => {
        const { statusCode, body } = await app.inject({ method: 'POST', url, payload });
        t.equal(statusCode, 200);
        t.match(JSON.parse(body), answer);
        t.notMatch(body, TELLS);
        t.same(Object.keys((JSON.parse(body) as { FailedNodes?: object }).FailedNodes ?? {}), []);
        t.same(written, []);
      });
    }
  }
}

t.test(
  'a leader with pinning on tells other things by each of these, so that the rows show something',
  async (t) => {
    for (const [url, rows] of Object.entries(ROWS)) {
      for (const [what, payload, , differs] of rows) {
        const ask = async (app: ReturnType<typeof serverOf>): Promise<string> =>
          (await app.inject({ method: 'POST', url, payload })).body;
        const [on, off] = [await ask(serverOf(world().state)), await ask(serverOf(offWorld().state))];
        t.equal(on !== off, differs, `${url}: ${what}`);
      }
    }
  },
);

t.test('no verb is without a row', async (t) => {
  const routes = serverOf(undefined).printRoutes({ commonPrefix: false });
  const verbs = [...routes.matchAll(/(\/\S*) \(/g)].map(([, path]) => path);
  t.same(verbs.sort(), Object.keys(ROWS).sort());
});

t.test('attack: nor do slots, for a pod or a dry run', async (t) => {
  const scene = world();
  const allocator = new SlotAllocator({ log, now: scene.state.now });
  const take = (dryRun: boolean) => {
    const { way, ...reply } = allocator.take({
      requestUid: `request-${dryRun}`,
      namespace: 'n',
      ownerKind: 'ReplicaSet',
      ownerName: 'web',
      ownerUid: OWNER,
      pod: JSON.stringify(podOf('web-2')),
      coexisting: false,
      dryRun,
    });
    return { way, told: JSON.stringify(reply) };
  };
  const tellsNothing = (who: string): void => {
    for (const dryRun of [false, true]) {
      const { way, told } = take(dryRun);
      t.equal(way, '', who);
      t.notMatch(told, TELLS, who);
    }
  };
  tellsNothing('a replica that does not lead');
  allocator.lead(scene.state);
  scene.advance(10_000);
  t.match(take(true).told, TELLS, 'a leader tells its caller');
  scene.store.disable();
  tellsNothing('a leader while pinning is off');
});
