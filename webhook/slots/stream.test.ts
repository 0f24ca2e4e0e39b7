import { EventEmitter } from 'node:events';
import t from 'tap';
import type { TakeReply, TakeRequest, TakeRequests } from '../../api/pinning.ts';
import { type GrpcSlotsClient, SlotStream } from './stream.ts';

/** A leader that answers when it is told to, and what was sent to it. */
const leader = () => {
  const sent: TakeRequests[] = [];
  const call = Object.assign(new EventEmitter(), {
    write: (message: TakeRequests) => sent.push(message) > 0,
    cancel: () => undefined,
  });
  const client = { Take: () => call } as unknown as GrpcSlotsClient;
  return { client, sent, answer: (...replies: readonly TakeReply[]) => call.emit('data', { replies }) };
};

const request = (requestUid: string): TakeRequest => ({
  requestUid,
  namespace: 'n',
  ownerKind: 'ReplicaSet',
  ownerName: 'web',
  ownerUid: 'owner',
  pod: '{}',
  coexisting: false,
});
const slot: TakeReply = { nodeName: 'node', intentId: 'pin', plan: 'plan', way: 'assign', reason: '' };
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

t.test('a slot that is granted after its pod was let go returns to the pod pinner at once', async (t) => {
  const { client, sent, answer } = leader();
  const stream = new SlotStream(client, { now: Date.now, onEnd: () => undefined });
  const taken = stream.take(request('late'), 20);
  await Promise.all([nextTurn(), t.rejects(taken, /no answer within 20 ms/)]);
  t.match(sent, [{ requests: [{ requestUid: 'late' }] }]);
  answer({ ...slot, ahead: [{ uid: 'late/1', reply: slot }] });
  await nextTurn();
  t.same(sent.at(-1)?.returned, ['late', 'late/1']);
});

t.test('a refusal that comes too late has nothing to return', async (t) => {
  const { client, sent, answer } = leader();
  const stream = new SlotStream(client, { now: Date.now, onEnd: () => undefined });
  const taken = stream.take(request('late'), 20);
  await Promise.all([nextTurn(), t.rejects(taken, /no answer/)]);
  const before = sent.length;
  answer({ ...slot, way: '' });
  await nextTurn();
  t.equal(sent.length, before);
});
