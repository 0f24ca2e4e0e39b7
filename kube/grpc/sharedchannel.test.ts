import t from 'tap';
import { SharedChannel } from './sharedchannel.ts';

class FakeChannel {
  isOpen = true;
  close(): void {
    this.isOpen = false;
  }
}

/** Channels that open when told to. */
const dialing = () => {
  const dialed: FakeChannel[] = [];
  const finish: (() => void)[] = [];
  const shared = new SharedChannel(async () => {
    await new Promise<void>((resolve) => finish.push(resolve));
    const channel = new FakeChannel();
    dialed.push(channel);
    return channel;
  });
  return { shared, dialed, finish };
};

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('fault 15: calls that race for a channel share one', async (t) => {
  const { shared, dialed, finish } = dialing();
  const both = Promise.all([shared.get(), shared.get()]);
  for (const end of finish) end();
  const [first, second] = await both;
  t.equal(first, second);
  t.equal(dialed.length, 1);
});

t.test('fault 15: a channel that opens after the end is closed', async (t) => {
  const { shared, dialed, finish } = dialing();
  const opening = shared.get();
  shared.close();
  finish[0]?.();
  await opening;
  await settled();
  t.same(
    dialed.map(({ isOpen }) => isOpen),
    [false],
  );
  await t.rejects(shared.get(), /was closed/);
});

t.test('a call that failed closes its own channel, and not the next one', async (t) => {
  const { shared, dialed, finish } = dialing();
  const opening = shared.get();
  finish[0]?.();
  const first = await opening;
  await shared.drop(first);
  const next = shared.get();
  finish[1]?.();
  await next;
  await shared.drop(first);
  t.same(
    dialed.map(({ isOpen }) => isOpen),
    [false, true],
  );
});

t.test('a channel that could not be opened is tried again', async (t) => {
  let attempts = 0;
  const shared = new SharedChannel(async () => {
    attempts += 1;
    if (attempts === 1) throw new Error('no certificate');
    return new FakeChannel();
  });
  await t.rejects(shared.get(), /no certificate/);
  t.ok((await shared.get()).isOpen);
});
