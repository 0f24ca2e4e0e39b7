import fc from 'fast-check';
import t from 'tap';
import type { KubeObject } from '../../api/objects.ts';
import { type Change, Store } from './store.ts';

interface Thing extends KubeObject {
  readonly node: string;
}

const thing = (name: string, uid: string, version: number, node = 'n1'): Thing => ({
  metadata: { name, namespace: 'ns', uid, resourceVersion: String(version) },
  node,
});

const storeWith = (): { store: Store<Thing>; changes: string[] } => {
  const changes: string[] = [];
  const store = new Store<Thing>({ node: (o) => [o.node] }, (c: Change<Thing>) => {
    changes.push(`${c.type} ${c.object.metadata.uid}@${c.object.metadata.resourceVersion}`);
  });
  return { store, changes };
};

t.test('a version is published once', async (t) => {
  const { store, changes } = storeWith();
  store.upsert(thing('a', 'u1', 1));
  store.upsert(thing('a', 'u1', 1));
  store.upsert(thing('a', 'u1', 2));
  t.same(changes, ['add u1@1', 'update u1@2']);
});

t.test('another uid under the same name is a delete and an add', async (t) => {
  const { store, changes } = storeWith();
  store.upsert(thing('a', 'u1', 1));
  store.upsert(thing('a', 'u2', 5));
  t.same(changes, ['add u1@1', 'delete u1@1', 'add u2@5']);
});

t.test('a late delete of an object does not remove its successor', async (t) => {
  const { store, changes } = storeWith();
  store.upsert(thing('a', 'u2', 5));
  store.remove(thing('a', 'u1', 4));
  t.same(changes, ['add u2@5']);
  t.equal(store.size, 1);
});

t.test(
  'objects missing from a complete list are deleted, those missing from a broken one are not',
  async (t) => {
    const { store, changes } = storeWith();
    store.upsert(thing('a', 'u1', 1));
    store.upsert(thing('b', 'u2', 2));
    store.beginReplace();
    store.upsert(thing('a', 'u1', 1));
    store.cancelReplace();
    t.equal(store.size, 2);
    store.beginReplace();
    store.upsert(thing('a', 'u1', 3));
    store.endReplace();
    t.same(changes.slice(2), ['update u1@3', 'delete u2@2']);
  },
);

t.test('an unknown index throws instead of giving an empty list', async (t) => {
  t.throws(() => storeWith().store.by('nope', 'x'), { message: /no index 'nope'/ });
});

t.test('indexes agree with the objects, also for a value of many objects', async (t) => {
  const step = fc.record({
    name: fc.integer({ min: 0, max: 400 }).map((n) => `o${n}`),
    node: fc.constantFrom('n1', 'n1', 'n1', 'n2', 'n3'),
    isDelete: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 300, maxLength: 900 }), (steps) => {
      const { store } = storeWith();
      for (const [i, { name, node, isDelete }] of steps.entries()) {
        const held = store.get(`ns/${name}`);
        if (isDelete && held) store.remove(held);
        else store.upsert(thing(name, name, i, node));
      }
      for (const node of ['n1', 'n2', 'n3']) {
        const expected = new Set(store.list().filter((o) => o.node === node));
        const found = store.by('node', node);
        if (found.length !== expected.size || found.some((o) => !expected.has(o))) return false;
      }
      return true;
    }),
    { numRuns: 30 },
  );
  t.pass();
});
