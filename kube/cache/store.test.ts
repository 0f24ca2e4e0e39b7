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

const storeWith = (): { store: Store<Thing>; told: string[] } => {
  const told: string[] = [];
  const store = new Store<Thing>({ node: (o) => [o.node] }, (c: Change<Thing>) => {
    told.push(`${c.type} ${c.object.metadata.uid}@${c.object.metadata.resourceVersion}`);
  });
  return { store, told };
};

t.test('a version is told once', async (t) => {
  const { store, told } = storeWith();
  store.upsert(thing('a', 'u1', 1));
  store.upsert(thing('a', 'u1', 1));
  store.upsert(thing('a', 'u1', 2));
  t.same(told, ['add u1@1', 'update u1@2']);
});

t.test('another uid under the same name is a delete and an add', async (t) => {
  const { store, told } = storeWith();
  store.upsert(thing('a', 'u1', 1));
  store.upsert(thing('a', 'u2', 5));
  t.same(told, ['add u1@1', 'delete u1@1', 'add u2@5']);
});

t.test('the late end of an object does not take out its successor', async (t) => {
  const { store, told } = storeWith();
  store.upsert(thing('a', 'u2', 5));
  store.remove(thing('a', 'u1', 4));
  t.same(told, ['add u2@5']);
  t.equal(store.size, 1);
});

t.test('what a complete list does not hold is deleted, what a broken one does not hold is not', async (t) => {
  const { store, told } = storeWith();
  store.upsert(thing('a', 'u1', 1));
  store.upsert(thing('b', 'u2', 2));
  store.beginReplace();
  store.upsert(thing('a', 'u1', 1));
  store.cancelReplace();
  t.equal(store.size, 2);
  store.beginReplace();
  store.upsert(thing('a', 'u1', 3));
  store.endReplace();
  t.same(told.slice(2), ['update u1@3', 'delete u2@2']);
});

t.test('an index that was not asked for is a mistake, not an empty answer', async (t) => {
  t.throws(() => storeWith().store.by('nope', 'x'), { message: /no index 'nope'/ });
});

t.test('indexes agree with the objects, also where one value has many', async (t) => {
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
