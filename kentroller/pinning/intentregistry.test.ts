import fc from 'fast-check';
import t from 'tap';
import type { Intent, ServerMessage } from '../../api/pinning.ts';
import { IntentRegistry } from './intentregistry.ts';
import { SendQueue } from './sendqueue.ts';

const intent = (id: string, nodeName = 'n', plan = 'p'): Intent => ({ id, plan, nodeClaim: 'c', nodeName });
const result = (intentId: string) => ({
  intentId,
  version: 1,
  state: 'PLACED' as const,
  reason: '',
  bound: 0,
});

t.test('only what differs gets a new version', async (t) => {
  const intentRegistry = new IntentRegistry();
  t.same(intentRegistry.replaceAll([intent('a'), intent('b')]), ['a', 'b']);
  t.same(intentRegistry.replaceAll([intent('a'), intent('b', 'm')]), ['b']);
  t.equal(intentRegistry.version, 3);
  t.same(intentRegistry.replaceAll([intent('b', 'm')]), ['a'], 'a removed one changes too');
});

t.test('a plan is acknowledged once each of its intents was answered', async (t) => {
  const intentRegistry = new IntentRegistry();
  intentRegistry.replaceAll([intent('a'), intent('b'), intent('x', 'n', 'other')]);
  t.equal(intentRegistry.viewOf('p').acknowledged, false);
  intentRegistry.record(result('a'));
  t.equal(intentRegistry.viewOf('p').acknowledged, false);
  intentRegistry.record(result('b'));
  t.equal(intentRegistry.viewOf('p').acknowledged, true);
  t.equal(intentRegistry.record(result('nobody')), false);
  t.equal(intentRegistry.viewOf('none').acknowledged, false, 'a plan without intents is not acknowledged');
});

t.test("a plan's view looks at no other plan's intents", async (t) => {
  const intentRegistry = new IntentRegistry();
  let read = 0;
  const others = Array.from({ length: 100 }, (_, at): Intent => {
    const other = intent(`x${at}`, 'n', 'other');
    return Object.defineProperty({ ...other }, 'plan', {
      get: () => {
        read += 1;
        return other.plan;
      },
    });
  });
  intentRegistry.replaceAll([intent('a'), ...others]);
  read = 0;
  intentRegistry.record(result('a'));
  t.equal(intentRegistry.viewOf('p').acknowledged, true);
  t.equal(read, 0);
  intentRegistry.replaceAll([intent('a', 'n', 'next')]);
  intentRegistry.record(result('a'));
  t.equal(
    intentRegistry.viewOf('p').acknowledged,
    false,
    'an intent that changed its plan is not its any more',
  );
  t.equal(intentRegistry.viewOf('next').acknowledged, true);
});

t.test('it knows for how long no pinner has been connected', async (t) => {
  let now = 1000;
  const intentRegistry = new IntentRegistry(() => now);
  const disconnect = intentRegistry.connect();
  t.same(intentRegistry.viewOf('p').goneForMs, 0);
  disconnect();
  now += 250;
  t.match(intentRegistry.viewOf('p'), { connected: false, goneForMs: 250 });
});

t.test('a client gets all intents, then synced, then changes', async (t) => {
  const intentRegistry = new IntentRegistry();
  intentRegistry.replaceAll([intent('a'), intent('b')]);
  const sent: ServerMessage[] = [];
  const sendQueue = new SendQueue(intentRegistry, { write: (message) => sent.push(message) > 0 });
  intentRegistry.onChange((ids) => sendQueue.add(ids));
  sendQueue.flush();
  t.same(
    sent.map((m) => m.upsert?.id ?? m.removed ?? 'synced'),
    ['a', 'b', 'synced'],
  );
  intentRegistry.replaceAll([intent('b', 'm')]);
  t.same(
    sent
      .slice(3)
      .map((m) => m.upsert?.nodeName ?? `removed ${m.removed}`)
      .sort(),
    ['m', 'removed a'],
  );
});

t.test('however slow a client is, it holds one entry an intent and ends with the same state', async () => {
  const names = fc.array(
    fc.record({ id: fc.constantFrom('a', 'b', 'c', 'd'), node: fc.constantFrom('x', 'y', 'z') }),
    { maxLength: 4 },
  );
  const actions = fc.array(fc.oneof(names, fc.constant('drain' as const)), { maxLength: 30 });
  fc.assert(
    fc.property(actions, (list) => {
      const intentRegistry = new IntentRegistry();
      intentRegistry.replaceAll([intent('a')]);
      const seen = new Map<string, string>();
      let synced = 0;
      // Every write fills the client's buffer.
      const sendQueue = new SendQueue(intentRegistry, {
        write: ({ upsert, removed, synced: isSynced }) => {
          if (upsert) seen.set(upsert.id, upsert.nodeName);
          if (removed !== undefined) seen.delete(removed);
          if (isSynced) synced += 1;
          return false;
        },
      });
      intentRegistry.onChange((ids) => sendQueue.add(ids));
      sendQueue.flush();
      for (const action of list) {
        if (action === 'drain') sendQueue.resume();
        else
          intentRegistry.replaceAll([
            ...new Map(action.map((each) => [each.id, intent(each.id, each.node)])).values(),
          ]);
        if (sendQueue.waiting > 4) return false;
      }
      for (let i = 0; i < 10; i += 1) sendQueue.resume();
      const held = new Map(
        intentRegistry.ids().map((id) => [id, intentRegistry.get(id)?.intent.nodeName ?? '']),
      );
      return synced === 1 && JSON.stringify([...seen].sort()) === JSON.stringify([...held].sort());
    }),
  );
});

t.test('a node that the pinner closed is named with its reason', async (t) => {
  const intentRegistry = new IntentRegistry();
  const owner = { kind: 'ReplicaSet', name: 'web', uid: 'o', count: 1 };
  intentRegistry.replaceAll([{ ...intent('a'), pin: { namespace: 'n', owner } }]);
  t.same(intentRegistry.viewOf('p').closedNodes, []);
  intentRegistry.record({ ...result('a'), state: 'REJECTED', reason: 'its kubelet refused 2 pods in a row' });
  t.same(intentRegistry.viewOf('p').closedNodes, [
    { node: 'n', reason: 'its kubelet refused 2 pods in a row' },
  ]);
});

t.test('a plan is acknowledged only once its slots are published', async (t) => {
  const intentRegistry = new IntentRegistry();
  intentRegistry.replaceAll([intent('machine')], new Set());
  intentRegistry.record(result('machine'));
  t.equal(intentRegistry.viewOf('p').acknowledged, false, 'its machine alone says nothing of its pins');
  intentRegistry.replaceAll([intent('machine'), intent('slots')], new Set(['p']));
  t.equal(intentRegistry.viewOf('p').acknowledged, false);
  intentRegistry.record(result('slots'));
  t.equal(intentRegistry.viewOf('p').acknowledged, true);
});
