import type { ServerDuplexStream } from '@grpc/grpc-js';
import fc from 'fast-check';
import t from 'tap';
import type { TakeReplies, TakeReply, TakeRequest, TakeRequests } from '../../api/pinning.ts';
import { createSlotsService } from '../../extender/slotservice/grpc.ts';
import { noSides } from '../../extender/testing/slotscene.ts';
import type { SlotStream } from '../../webhook/slots/stream.ts';
import { leading, request, serve, until } from './slotscene.ts';

/** The path from the webhook's replicas to the pinner's leader, over a real stream. */

t.test('two replicas, 500 creations at once, some asked twice: no slot twice, none left over', async () => {
  const counts = fc.array(fc.integer({ min: 0, max: 250 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(counts, fc.integer({ min: 0, max: 2 ** 31 }), async (places, seed) => {
      const { dial, close } = await serve(createSlotsService(leading(places).allocator, noSides));
      const streams = [dial(), dial()];
      const ask = (at: number): Promise<TakeReply> => {
        const stream = streams[((at * 2_654_435_761 + seed) >>> 7) % 2] as SlotStream;
        return stream.take(request(`r-${at}`), 20_000);
      };
      const order = Array.from({ length: 500 }, (_, at) => at);
      const replies = await Promise.all(order.map(ask));
      const again = await Promise.all(order.slice(0, 50).map(ask));
      close();
      if (JSON.stringify(again) !== JSON.stringify(replies.slice(0, 50)))
        throw new Error('a replay got another answer');
      places.forEach((count, at) => {
        const given = replies.filter(({ nodeName }) => nodeName === `node-${at}`).length;
        if (given > count) throw new Error(`${given} of ${count} on node-${at}`);
      });
      const given = replies.filter(({ way }) => way === 'assign').length;
      const places500 = Math.min(
        500,
        places.reduce((sum, count) => sum + count, 0),
      );
      if (given !== places500) throw new Error(`${given} slots given instead of ${places500}`);
    }),
    { numRuns: 10, includeErrorInReport: true },
  );
});

const batches: TakeRequest[][] = [];
let hold: ServerDuplexStream<TakeRequests, TakeReplies> | undefined;
const replyTo = ({ requestUid }: TakeRequest): TakeReply => ({
  nodeName: requestUid,
  intentId: '',
  plan: '',
  way: '',
  reason: '',
});

/** A leader that records its requests and answers on demand. */
const slow = {
  Take: (call: ServerDuplexStream<TakeRequests, TakeReplies>) => {
    hold = call;
    call.on('data', ({ requests }: TakeRequests) => void batches.push([...requests]));
  },
};

t.test(
  'what is asked at once travels together; while two batches are under way, the rest gathers',
  async (t) => {
    const { dial, close } = await serve(slow);
    const stream = dial();
    const uids = async (prefix: string, count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, at) => stream.take(request(`${prefix}-${at}`), 10_000)),
      ).then((replies) => replies.map(({ nodeName }) => nodeName));
    const first = uids('a', 10);
    await until(() => batches.length === 1);
    const second = uids('b', 1);
    await until(() => batches.length === 2);
    const third = uids('c', 5);
    const fourth = uids('d', 1);
    // Late ones are answered so, and no slot is asked for them when the leader answers again.
    await t.rejects(stream.take(request('late'), 20), /no answer within 20 ms/);
    t.equal(batches.length, 2);
    t.ok(stream.silentMs >= 0);
    for (let at = 0; at < 3; at++) {
      await until(() => batches.length > at);
      hold?.write({ replies: (batches[at] ?? []).map(replyTo) });
    }
    t.equal((await first).length, 10);
    t.same(
      await first,
      batches[0]?.map(({ requestUid }) => requestUid),
      'each gets its own answer',
    );
    t.same(await second, ['b-0']);
    t.same([...(await third), ...(await fourth)], ['c-0', 'c-1', 'c-2', 'c-3', 'c-4', 'd-0']);
    t.same(
      batches.map((batch) => batch.length),
      [10, 1, 6],
    );
    close();
  },
);

t.test('a leader that leads no more ends the streams of those who ask it', async (t) => {
  const { allocator } = leading([1]);
  const { dial, close } = await serve(createSlotsService(allocator, noSides));
  let ends = 0;
  const stream = dial(() => ends++);
  t.match(await stream.take(request('r'), 5_000), { way: 'assign' });
  allocator.lead(undefined);
  await until(() => ends === 1);
  await t.rejects(stream.take(request('s'), 5_000), /does not lead/);
  const other = dial(() => ends++);
  await t.rejects(other.take(request('s'), 5_000), /does not lead/);
  close();
});
