import fc from 'fast-check';
import t from 'tap';
import { KARPENTER_CAPACITY_TYPE, SPOT_PLACE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { SideReply, SideRequest } from '../../api/pinning.ts';
import { formatPlace, spotShareOf } from '../../api/spotpods/split.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { log, owner, pod as podOf, scene } from '../testing/slotscene.ts';
import { SideCounter } from './counter.ts';

/** An API server's pods, a leader that counts them, and a controller whose pods are created with what it says. */
const world = (counts: readonly number[] = []) => {
  const base = scene(counts);
  const stored = new Map<string, Pod>();
  let lists = 0;
  const held: (() => void)[] = [];
  let isHolding = false;
  const client = {
    list: async () => {
      lists++;
      const items = [...stored.values()];
      if (isHolding) await new Promise<void>((resolve) => held.push(resolve));
      return { items, resourceVersion: '1' };
    },
  } as unknown as KubeClient;
  const counter = new SideCounter({ client, log, now: base.state.now });
  counter.lead(base.state);
  base.pass(1_000);
  let made = 0;
  const ask = (percentage = 60, more: Partial<SideRequest> = {}): Promise<SideReply> =>
    counter.choose({
      requestUid: `r-${made++}`,
      namespace: 'n',
      ownerKind: owner.kind,
      ownerName: owner.name,
      ownerUid: owner.uid,
      spotPercentage: percentage,
      labelSelector: '',
      ...more,
    });
  /** Stores the pod of an answer; the leader's cache may see it later. */
  const create = ({ requestUid, side, index }: SideReply, isSeen = true): Pod => {
    const plain = podOf(`web-${requestUid}`);
    const annotations = side === '' ? {} : { [SPOT_PLACE]: formatPlace({ side, index }) };
    const pod = { ...plain, metadata: { ...plain.metadata, annotations } };
    stored.set(pod.metadata.name, pod);
    if (isSeen) base.pods.put(pod);
    return pod;
  };
  const onSpot = (): number =>
    [...stored.values()].filter((each) => each.metadata.annotations?.[SPOT_PLACE]?.startsWith('spot')).length;
  return {
    ...base,
    counter,
    stored,
    ask,
    create,
    onSpot,
    lists: () => lists,
    hold: () => {
      isHolding = true;
    },
    release: () => {
      isHolding = false;
      for (const resolve of held.splice(0)) resolve();
    },
  };
};

t.test('a hundred pods that come at once are split exactly, in a few lists', async (t) => {
  const { ask, create, onSpot, lists } = world();
  const replies = await Promise.all(Array.from({ length: 100 }, () => ask()));
  for (const reply of replies) create(reply);
  t.equal(onSpot(), 60);
  t.ok(lists() <= 2, `${lists()} lists`);
});

t.test(
  'a pod that was deleted a moment ago, which the cache still shows, is replaced on its side',
  async (t) => {
    const { ask, create, onSpot, stored } = world();
    for (let i = 0; i < 5; i++) create(await ask());
    t.equal(onSpot(), 3);
    for (const side of ['spot', 'on-demand', 'spot']) {
      const [name] =
        [...stored].find(([, { metadata }]) => metadata.annotations?.[SPOT_PLACE]?.startsWith(side)) ?? [];
      stored.delete(name ?? '');
      const reply = await ask();
      t.equal(reply.side, side);
      create(reply, false);
    }
    t.equal(onSpot(), 3);
  },
);

t.test('pods are created, seen late and deleted in any order, and the split stays exact', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 99 }),
      fc.array(fc.record({ deleted: fc.nat(20), created: fc.nat(6), isSeen: fc.boolean() }), {
        maxLength: 12,
      }),
      async (percentage, steps) => {
        const { ask, create, onSpot, stored, pods } = world();
        for (const { deleted, created, isSeen } of steps) {
          // As many come as go at least, so that what is missing can be made good.
          const gone = [...stored.keys()].slice(0, Math.min(deleted, created));
          for (const name of gone) {
            const pod = stored.get(name);
            stored.delete(name);
            if (pod) pods.put(pod);
          }
          const replies = await Promise.all(Array.from({ length: created }, () => ask(percentage)));
          for (const reply of replies) create(reply, isSeen);
          if (onSpot() !== spotShareOf(stored.size, percentage)) return false;
        }
        return true;
      },
    ),
    { seed: 65, numRuns: 60 },
  );
  t.pass();
});

t.test(
  'a pod that comes while its siblings are listed is counted by a list that begins afterwards',
  async (t) => {
    const { ask, hold, release, lists } = world();
    hold();
    const first = ask();
    await Promise.resolve();
    const [second, third] = [ask(), ask()];
    release();
    t.match(await Promise.all([first, second, third]), [
      { side: 'on-demand', index: 0 },
      { side: 'spot', index: 0 },
      { side: 'on-demand', index: 1 },
    ]);
    t.equal(lists(), 2);
  },
);

t.test('pods whose creation takes as long as the API server lets it are split exactly', async (t) => {
  const { ask, create, onSpot, pass } = world();
  const slow: SideReply[] = [];
  for (let i = 0; i < 20; i++) {
    slow.push(await ask());
    pass(34_000 / 20);
  }
  t.equal(new Set(slow.map(({ side, index }) => `${side}-${index}`)).size, 20, 'no place is given twice');
  for (const reply of slow) create(reply);
  t.equal(onSpot(), 12);
});

t.test('a place whose pod never comes is free after a while, or as soon as it is given back', async (t) => {
  const { ask, pass, counter } = world();
  t.match(await ask(), { side: 'on-demand', index: 0 });
  const second = await ask();
  t.match(second, { side: 'spot', index: 0 });
  counter.giveBack({
    requestUid: second.requestUid,
    namespace: 'n',
    ownerKind: owner.kind,
    ownerName: owner.name,
    ownerUid: owner.uid,
    spotPercentage: 60,
    labelSelector: '',
  });
  t.match(await ask(), { side: 'spot', index: 0 });
  pass(35_001);
  t.match(await ask(), { side: 'on-demand', index: 0 });
});

t.test('a pod that came and went before the next list counts no longer', async (t) => {
  const { ask, create, stored } = world();
  const pod = create(await ask());
  stored.delete(pod.metadata.name);
  t.match(await ask(), { side: 'on-demand', index: 0 });
});

t.test('pods without a place count by the capacity type of their node', async (t) => {
  const { ask, stored, nodes, pods } = world();
  nodes.put({ metadata: { name: 'cheap', labels: { [KARPENTER_CAPACITY_TYPE]: 'spot' } } });
  for (let i = 0; i < 3; i++) {
    const pod = podOf(`old-${i}`, 'cheap');
    stored.set(pod.metadata.name, pod);
    pods.put(pod);
  }
  t.match(await ask(), { side: 'on-demand' }, '3 of 4 are on spot already');
});

t.test('on-demand where a plan has places on such nodes alone', async (t) => {
  const { ask, nodes, create } = world([2]);
  create(await ask());
  t.match(await ask(), { side: 'on-demand', reason: /a plan/ }, 'node-0 is no spot node');
  nodes.put({ metadata: { name: 'node-0', labels: { [KARPENTER_CAPACITY_TYPE]: 'spot' } } });
  t.match(await ask(20), { side: 'on-demand' }, 'the share is full: spot is not exceeded for a plan');
  t.match(await ask(), { side: 'spot' });
});

t.test('attack: pods of others with our annotation, or of another namespace, count for nobody', async (t) => {
  const { ask, stored } = world();
  for (let i = 0; i < 50; i++) {
    const forged = podOf(`fake-${i}`);
    const metadata = {
      ...forged.metadata,
      namespace: 'attacker',
      annotations: { [SPOT_PLACE]: `spot-${i}` },
    };
    stored.set(`fake-${i}`, { ...forged, metadata });
    const bare = { name: `bare-${i}`, namespace: 'n', annotations: { [SPOT_PLACE]: `spot-${i}` } };
    stored.set(`bare-${i}`, { ...forged, metadata: bare });
  }
  await ask();
  t.match(await ask(), { side: 'spot', index: 0 });
});

t.test(
  'attack: a flood of owners, or of pods of one, passes without sides, and nobody waits for it',
  async (t) => {
    const { ask, hold, release } = world();
    hold();
    const many = Array.from({ length: 100 }, (_, i) => ask(60, { ownerUid: `u-${i}` }));
    const refused = await Promise.all(many.slice(64));
    t.ok(refused.every(({ side }) => side === ''));
    release();
    t.ok((await Promise.all(many.slice(0, 64))).every(({ side }) => side !== ''));
  },
);

t.test('a replica that does not lead, or has led for no time, says nothing', async (t) => {
  const { ask, counter, state, pass } = world();
  counter.lead(undefined);
  t.match(await ask(), { side: '', reason: 'this replica does not lead' });
  counter.lead(state);
  t.match(await ask(), { side: '', reason: /just become/ });
  pass(1_000);
  t.match(await ask(), { side: 'on-demand' });
});
