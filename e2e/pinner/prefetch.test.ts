import fc from 'fast-check';
import t from 'tap';
import { PIN } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import type { TakeReply, TakeRequest } from '../../api/pinning.ts';
import type { State } from '../../extender/placement/state.ts';
import { createSlotsService } from '../../extender/slotservice/grpc.ts';
import { noSides } from '../../extender/testing/slotscene.ts';
import type { FakeCache } from '../../kube/testing/fakecache.ts';
import type { SlotPrefetcher } from '../../webhook/slots/prefetcher.ts';
import { leading, OWNER, request, serve, until } from './slotscene.ts';

/** Slots that replicas of the webhook hold in advance: none is given twice, and none is left over. */

const ROLLED_OUT = 100;

/** Two classes of pods, as during a rollout. */
const podClasses = ['a', 'b'].map((label) => {
  const { pod, ...rest } = request('');
  const { metadata, spec } = JSON.parse(pod);
  return { ...rest, pod: JSON.stringify({ metadata: { ...metadata, labels: { label } }, spec }) };
});

/** Asks a replica for a slot for a pod of one of the classes. */
const takeFrom = (prefetcher: SlotPrefetcher, at: number, podClass = podClasses[0]): Promise<TakeReply> => {
  const one = { ...podClass, requestUid: `r-${at}` } as TakeRequest;
  return prefetcher.take(one, one.pod, 20_000);
};

/** Adds the pod of a reply to the cluster. */
const show = ({ pods, assumedPods }: State, uid: string, { nodeName, intentId }: TakeReply): void => {
  const object: Pod = {
    metadata: {
      name: uid,
      namespace: 'n',
      uid: `pod-${uid}`,
      annotations: { [PIN]: intentId },
      ownerReferences: [OWNER],
    },
    spec: { nodeName, containers: [] },
  };
  (pods as FakeCache<Pod>).put(object);
  assumedPods.observe({ type: 'add', object });
};

t.test('prefetched slots: two replicas, waves of pods: no slot twice, none left over', async (t) => {
  const counts = fc.array(fc.integer({ min: 0, max: 250 }), { minLength: 1, maxLength: 4 });
  let all = 0;
  let waited = 0;
  await fc.assert(
    fc.asyncProperty(counts, fc.integer({ min: 0, max: 2 ** 31 }), async (places, seed) => {
      const { allocator, state } = leading(places);
      const service = createSlotsService(allocator, noSides);
      const { dialPrefetcher, close } = await serve(service);
      const take = allocator.take.bind(allocator);
      const asked = new Set<string>();
      allocator.take = (one) => {
        asked.add(one.requestUid);
        return take(one);
      };
      const prefetchers = [dialPrefetcher(), dialPrefetcher()];
      const random = (at: number, below: number): number => ((at * 2_654_435_761 + seed) >>> 9) % below;
      const prefetcherOf = (at: number): SlotPrefetcher => prefetchers[random(at, 2)] as SlotPrefetcher;
      const replies: TakeReply[] = [];
      const ask = async (at: number): Promise<void> => {
        // The rollout ends in the middle.
        const podClass = podClasses[at < ROLLED_OUT ? random(at, 2) : 1];
        const reply = await takeFrom(prefetcherOf(at), at, podClass);
        if (reply.way === 'assign' && random(at, 3) > 0) show(state, `r-${at}`, reply);
        replies[at] = reply;
      };
      for (let at = 0; at < 500; ) {
        const wave = Array.from({ length: Math.min(500 - at, 1 + random(at, 20)) }, (_, i) => at + i);
        await Promise.all(wave.map(ask));
        at += wave.length;
      }
      const again = replies[499] as TakeReply;
      const { nodeName, way } = await takeFrom(prefetcherOf(499), 499, podClasses[1]);
      if (nodeName !== again.nodeName || way !== again.way) throw new Error('a replay got another answer');
      close();
      places.forEach((count, at) => {
        const given = replies.filter(({ nodeName }) => nodeName === `node-${at}`).length;
        if (given > count) throw new Error(`${given} of ${count} on node-${at}`);
      });
      const given = replies.filter(({ way }) => way === 'assign').length;
      const room = places.reduce((sum, count) => sum + count, 0);
      if (given !== Math.min(500, room)) throw new Error(`${given} slots given of ${room}`);
      const settled = [...replies.entries()].filter(([at, { way }]) => at >= ROLLED_OUT && way === 'assign');
      all += settled.length;
      waited += settled.filter(([at]) => asked.has(`r-${at}`)).length;
    }),
    // Few slots are drawn often and rarely use prefetching: one round has slots for all.
    { numRuns: 10, examples: [[[250, 250], 1]], includeErrorInReport: true },
  );
  t.comment(`${waited} of ${all} pods waited for the leader`);
  t.ok(all > 0 && waited < all / 2, 'most slots were prefetched');
});

t.test('prefetched slots that are not used go back', async (t) => {
  const { allocator, state } = leading([400]);
  const { dialPrefetcher, close } = await serve(createSlotsService(allocator, noSides));
  const prefetcher = dialPrefetcher();
  const take = (at: number) => takeFrom(prefetcher, at);
  for (let at = 0; at < 100; at++) t.match(await take(at), { way: 'assign' });
  t.ok(state.assumedPods.ofOwner('owner').length > 100, 'some are prefetched');
  await until(() => state.assumedPods.ofOwner('owner').length === 100);

  for (let at = 100; at < 110; at++) await take(at);
  t.ok(state.assumedPods.ofOwner('owner').length > 110, 'some are prefetched again');
  (state.nodes as FakeCache<Node>).drop('node-0');
  await until(() => state.assumedPods.ofOwner('owner').length === 110);
  t.match(await take(110), { way: 'hold' }, 'a node that is gone takes nobody');
  close();
});

t.test('a replica that died with prefetched slots is not waited for', async (t) => {
  const { allocator } = leading([100]);
  const { dialPrefetcher, close } = await serve(createSlotsService(allocator, noSides));
  const [dead, living] = [dialPrefetcher(), dialPrefetcher()];
  for (let at = 0; at < 20; at++) await takeFrom(dead, at);
  // Hangs: it reads nothing and answers nothing.
  dead.recall = () => {};
  dead.end();
  let given = 0;
  for (let at = 100; at < 200; at++) {
    const { way } = await takeFrom(living, at);
    if (way === 'assign') given++;
  }
  t.ok(given >= 48 && given <= 80, `${given} of the 80 that are left, except the prefetched ones`);
  close();
});
