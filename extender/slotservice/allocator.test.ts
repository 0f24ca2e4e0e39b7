import t from 'tap';
import { assignPendingPods } from '../placement/allocate.ts';
import { log, pod, scene, takeRequest } from '../testing/slotscene.ts';
import { SlotAllocator } from './allocator.ts';

t.test(
  'a repeated request gets the same reply, and a replica that does not lead grants nothing',
  async (t) => {
    const { state, pass } = scene([1]);
    const allocator = new SlotAllocator({ log, now: state.now });
    const request = takeRequest('r');
    t.match(allocator.take(request), { way: '', reason: 'this replica does not lead' });
    allocator.lead(state);
    t.match(allocator.take(request), { way: '' }, 'the cache may not show the grants of its predecessor yet');
    pass(1_000);
    const first = allocator.take(request);
    t.match(first, { way: 'assign', nodeName: 'node-0', intentId: 'pin/node-0', plan: 'plan' });
    t.same(allocator.take(request), first);
    t.match(allocator.take({ ...request, requestUid: 's' }), {
      way: '',
      reason: 'every slot of this owner is taken',
    });
    t.match(allocator.take({ ...request, requestUid: 'x', pod: 'no JSON' }), {
      way: '',
      reason: 'the pod is not JSON',
    });
    t.match(allocator.take({ ...request, requestUid: 'y', pod: '{}' }), { way: '' });
  },
);

t.test('a slot that was granted too late is free as soon as the webhook gives it back', async (t) => {
  const { state, pods, pass } = scene([1]);
  const allocator = new SlotAllocator({ log, now: state.now });
  allocator.lead(state);
  pass(1_000);
  const request = takeRequest('late');
  t.match(allocator.take(request), { way: 'assign' });
  pods.put(pod('web-1'));
  t.same(assignPendingPods(state, 'owner'), [], 'the pod that was admitted without it finds none');
  allocator.giveBack('of nobody');
  t.same(assignPendingPods(state, 'owner'), []);
  allocator.giveBack('late');
  t.match(assignPendingPods(state, 'owner'), [{ pod: { metadata: { name: 'web-1' } } }]);
  allocator.giveBack('late');
  t.equal(assignPendingPods(state, 'owner').length, 1, 'once');
});
