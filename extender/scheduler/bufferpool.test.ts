import fc from 'fast-check';
import t from 'tap';
import { BufferPool } from './bufferpool.ts';

/** A body that arrives in these chunks. */
const sending =
  (chunks: readonly Uint8Array[]) =>
  async (onChunk: (chunk: Buffer) => void): Promise<void> => {
    for (const chunk of chunks) {
      await null;
      onChunk(Buffer.from(chunk));
    }
  };

t.test(
  'a body arrives as it was sent: in any chunks, with or without length, in new or reused memory',
  async () => {
    const buffers = new BufferPool();
    const chunks = fc.array(fc.uint8Array({ maxLength: 40_000 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.boolean(), fc.boolean(), async (sent, isAnnounced, isReleased) => {
        const whole = Buffer.concat(sent);
        const body = await buffers.gather(isAnnounced ? whole.length : undefined, sending(sent));
        if (!body.equals(whole)) throw new Error('the body is another one');
        if (isReleased) buffers.release(body);
      }),
    );
  },
);

t.test('a buffer is reused after its release, and not before', async (t) => {
  const buffers = new BufferPool();
  const read = (text: string) => buffers.gather(text.length, sending([Buffer.from(text)]));
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

t.test('the buffer of a body that is refused half-way is used again', async (t) => {
  const buffers = new BufferPool();
  const first = await buffers.gather(5, sending([Buffer.from('first')]));
  const seen = first.buffer;
  buffers.release(first);
  const refused = buffers.gather(10, async (onChunk) => {
    onChunk(Buffer.from('half'));
    throw new Error('refused');
  });
  await t.rejects(refused, /refused/);
  t.equal((await buffers.gather(5, sending([Buffer.from('third')]))).buffer, seen);
});
