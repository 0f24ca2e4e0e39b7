import { EventEmitter } from 'node:events';
import t from 'tap';
import type { TakeReplies, TakeRequests } from '../../api/pinning.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createScene, nodeOf, OWNER, podOf, slotsIntentOf } from '../testing/scene.ts';
import { noSides } from '../testing/slotscene.ts';
import { SlotAllocator } from './allocator.ts';
import { createSlotsService } from './grpc.ts';

/** A webhook replica's stream, as the service sees it. */
class FakeCall extends EventEmitter {
  readonly replies: TakeReplies[] = [];
  write(message: TakeReplies): boolean {
    this.replies.push(message);
    this.emit('reply');
    return true;
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
}

const ask = (requestUid: string): TakeRequests => ({
  requests: [
    {
      requestUid,
      namespace: 'n',
      ownerKind: 'ReplicaSet',
      ownerName: 'web',
      ownerUid: OWNER,
      pod: JSON.stringify(podOf('')),
      coexisting: false,
    },
  ],
});

const open = () => {
  const scene = createScene();
  scene.nodes.put(nodeOf('a'));
  const plain = slotsIntentOf('a', 1);
  const owner = { kind: 'ReplicaSet', name: 'web', uid: OWNER, count: 1, replaces: ['x'] };
  scene.store.upsert({ ...plain, pin: { namespace: 'n', owner } }, 1);
  scene.pods.put(podOf('x', { nodeName: 'old' }));
  const allocator = new SlotAllocator({
    log: createLogger({ component: 'slots', level: 'silent' }),
    now: scene.state.now,
  });
  const call = new FakeCall();
  const service = createSlotsService(allocator, noSides);
  allocator.lead(scene.state);
  scene.advance(1_000);
  (service.Take as unknown as (call: FakeCall) => void)(call);
  const reply = new Promise<void>((resolve) => call.once('reply', resolve));
  return { scene, call, reply };
};

t.test('fault 11: a pod whose predecessor still runs gets no slot', async (t) => {
  const { call, reply } = open();
  call.emit('data', ask('scale-up'));
  await reply;
  t.match(call.replies, [{ replies: [{ way: '', reason: /have not been evicted yet/ }] }]);
});

t.test('a successor that is faster than the pod cache waits a moment, and gets its slot', async (t) => {
  const { scene, call, reply } = open();
  call.emit('data', ask('successor'));
  t.same(call.replies, [], 'no reply yet');
  scene.pods.drop('n/x');
  await reply;
  t.match(call.replies, [{ replies: [{ way: 'assign', nodeName: 'a' }] }]);
});
