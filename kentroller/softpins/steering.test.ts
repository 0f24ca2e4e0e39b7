import fc from 'fast-check';
import t from 'tap';
import { MOST_BYTES, MOST_NODES, steeringOf } from './steering.ts';

const slots = (uid: string, nodeName: string, count: number, nodeClaim = `claim-${nodeName}`) => ({
  nodeName,
  nodeClaim,
  pin: { namespace: 'shop', owner: { kind: 'ReplicaSet', name: uid, uid, count } },
});
const nobody = { reservationOf: () => undefined, taken: () => 0 };

t.test('an owner is drawn to its nodes, to the one with most free slots most', async (t) => {
  const { owners: data } = steeringOf([slots('web', 'a', 1), slots('web', 'b', 4), slots('db', 'c', 2)], {
    ...nobody,
    reservationOf: (claim) => (claim === 'claim-b' ? 'rebalance-b' : undefined),
  });
  t.same(data, { 'shop.web': '100 b rebalance-b,63 a', 'shop.db': '100 c' });
});

t.test('slots that are taken draw no more pods, and an owner without any is left out', async (t) => {
  const taken = (node: string): number => (node === 'a' ? 3 : 1);
  const { owners: data, leftOut } = steeringOf(
    [slots('web', 'a', 3), slots('web', 'b', 2), slots('db', 'a', 1)],
    {
      ...nobody,
      taken,
    },
  );
  t.same(data, { 'shop.web': '100 b' });
  t.equal(leftOut, 0);
});

t.test(
  'a node that has no name yet draws nobody, and neither does a pod that waits by its name',
  async (t) => {
    const pod = { nodeName: 'a', nodeClaim: 'c', pin: { namespace: 'shop', pod: { name: 'p', uid: 'u' } } };
    t.same(steeringOf([slots('web', '', 3), pod], nobody).owners, {});
  },
);

t.test('a plan of 600 owners and 200 nodes fits into one object, each owner with eight nodes', async (t) => {
  const all = Array.from({ length: 600 }, (_, owner) =>
    Array.from({ length: 200 }, (_, node) =>
      slots(
        `c0ffee00-0000-4000-8000-${String(owner).padStart(12, '0')}`,
        `ip-10-0-${node}-17.us-west-2.compute.internal`,
        1 + ((owner * 7 + node * 13) % 9),
      ),
    ),
  ).flat();
  const { owners: data, leftOut } = steeringOf(all, {
    ...nobody,
    reservationOf: (claim) => `rebalance-${claim.slice(6, 20)}`,
  });
  t.equal(Object.keys(data).length, 600);
  t.equal(leftOut, 0);
  for (const text of Object.values(data)) t.equal(text.split(',').length, MOST_NODES);
  const size = Buffer.byteLength(JSON.stringify(data));
  t.ok(size < MOST_BYTES, `${size} bytes`);
});

t.test('where not all owners fit, those with most free slots do', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(50), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 0, max: 600 }),
      (counts, mostBytes) => {
        const all = counts.map((count, at) => slots(`owner-${at}`, 'node', count));
        const { owners: data, leftOut } = steeringOf(all, { ...nobody, mostBytes });
        const freeOf = (entry: string): number => counts[Number(entry.split('-')[1])] ?? 0;
        const kept = Object.keys(data);
        const lost = all
          .map(({ pin }) => `shop.${pin.owner.uid}`)
          .filter((entry) => freeOf(entry) > 0 && !kept.includes(entry));
        const bytes = kept.reduce((sum, entry) => sum + 2 * entry.length + (data[entry] ?? '').length, 0);
        // Keys differ by a character, so that a smaller owner may fit where a larger one does not.
        const isInOrder = lost.every((one) =>
          kept.every((other) => freeOf(other) >= freeOf(one) || one.length > other.length),
        );
        return leftOut === lost.length && bytes <= mostBytes && isInOrder;
      },
    ),
    { seed: 20_261_130, numRuns: 200 },
  );
});
