import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import { BufferPool } from './bufferpool.ts';

const streamOf = (chunks: readonly Uint8Array[]): Readable =>
  Readable.from(
    chunks.map((chunk) => Buffer.from(chunk)),
    { objectMode: false },
  );

t.test(
  'a body arrives as it was sent: in any chunks, with or without length, in new or reused memory',
  async () => {
    const buffers = new BufferPool(1_000_000);
    const chunks = fc.array(fc.uint8Array({ maxLength: 40_000 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.boolean(), fc.boolean(), async (sent, isAnnounced, isReleased) => {
        const whole = Buffer.concat(sent);
        const body = await buffers.read(streamOf(sent), isAnnounced ? whole.length : undefined);
        if (!body.equals(whole)) throw new Error('the body is another one');
        if (isReleased) buffers.release(body);
      }),
    );
  },
);

t.test('a buffer is reused after its release, and not before', async (t) => {
  const buffers = new BufferPool(1_000_000);
  const read = (text: string) => buffers.read(streamOf([Buffer.from(text)]), text.length);
  const first = await read('first');
  const second = await read('second');
  t.not(second.buffer, first.buffer);
  t.equal(first.toString(), 'first');
  buffers.release(first);
  buffers.release(first);
  const [third, fourth] = [await read('third'), await read('fourth')];
  t.equal(third.buffer, first.buffer);
  t.not(fourth.buffer, third.buffer, 'a buffer returned twice is used once');
});

t.test('a body over the limit is refused, with or without length', async (t) => {
  const buffers = new BufferPool(10);
  await t.rejects(buffers.read(streamOf([Buffer.alloc(11)]), 11), /over the limit of 10 bytes/);
  await t.rejects(
    buffers.read(streamOf([Buffer.alloc(6), Buffer.alloc(6)]), undefined),
    /over the limit of 10 bytes/,
  );
});
