import fc from 'fast-check';
import t from 'tap';
import { PIN, PIN_GATE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { isLive } from '../../api/pods.ts';
import { intent, node, pod, scene } from '../testing/slotscene.ts';
import { allocateSlot, assignPendingPods, GRANT_MS, reallocateSlot, type SlotRequest } from './allocate.ts';
import { nextGateStep } from './choosepin.ts';
import { slotsOf } from './slotcount.ts';
import type { State } from './state.ts';

const slotRequest = (requestUid: string, more: Partial<SlotRequest> = {}): SlotRequest => ({
  requestUid,
  ownerUid: 'owner',
  pod: pod(''),
  ...more,
});

const live = (state: State, nodeName: string): number =>
  state.pods.by('node', nodeName).filter(isLive).length + state.pods.by('pin', `pin/${nodeName}`).length;

const READY = { type: 'Ready', status: 'True' } as const;
const LATE = { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }] };

/** A pod that can't be bound early: as its controller creates it, and as the webhook changes it. */
const late = (name: string): Pod => ({ ...pod(name), spec: { ...pod(name).spec, ...LATE } });
const gated = (name: string, intentId: string): Pod => ({
  metadata: { ...pod(name).metadata, annotations: { [PIN]: intentId } },
  spec: { ...late(name).spec, schedulingGates: [{ name: PIN_GATE }] },
});

type Op =
  | { readonly kind: 'take' }
  | { readonly kind: 'hold' }
  | { readonly kind: 'appear'; readonly at: number }
  | { readonly kind: 'fail' }
  | { readonly kind: 'die'; readonly at: number }
  | { readonly kind: 'wait'; readonly ms: number };

const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Op>({ kind: 'take' }) },
    { weight: 5, arbitrary: fc.constant<Op>({ kind: 'hold' }) },
    { weight: 5, arbitrary: fc.nat(20).map((at): Op => ({ kind: 'appear', at })) },
    fc.constant<Op>({ kind: 'fail' }),
    fc.nat(20).map((at): Op => ({ kind: 'die', at })),
    // Shorter in sum than a grant's lifetime, so that no grant expires before its pod appears.
    fc.nat(150).map((ms): Op => ({ kind: 'wait', ms })),
  ),
  { maxLength: 60 },
);

t.test('no slot is granted twice, and none is lost when a creation fails', async () => {
  fc.assert(
    fc.property(fc.array(fc.nat(6), { minLength: 1, maxLength: 4 }), ops, (counts, steps) => {
      const { state, pods, pass } = scene(counts);
      const granted: { uid: string; intent: Intent; way: 'assign' | 'hold' }[] = [];
      let serial = 0;
      for (const step of steps) {
        if (step.kind === 'take' || step.kind === 'hold') {
          const uid = `request-${serial++}`;
          const grant = allocateSlot(state, slotRequest(uid, step.kind === 'hold' ? { pod: late('') } : {}));
          if (grant.intent) granted.push({ uid, intent: grant.intent, way: grant.way });
        } else if (step.kind === 'appear' && granted.length > 0) {
          const [one] = granted.splice(step.at % granted.length, 1);
          const name = `pod-${serial++}`;
          if (one?.way === 'hold') pods.put(gated(name, one.intent.id));
          else if (one) pods.put(pod(name, one.intent.nodeName, one.intent.id));
        } else if (step.kind === 'fail') granted.pop();
        else if (step.kind === 'die') {
          const all = pods.list();
          const one = all[step.at % Math.max(1, all.length)];
          if (one) pods.drop(`n/${one.metadata.name}`);
        } else if (step.kind === 'wait') pass(step.ms);
        counts.forEach((count, at) => {
          if (live(state, `node-${at}`) > count) throw new Error(`node-${at} has more than ${count}`);
        });
      }
      // Grants whose pods never appeared have expired.
      pass(GRANT_MS + 1);
      const free = slotsOf(state, 'owner').reduce(
        (sum, slot) => sum + Math.max(0, slot.count - slot.used),
        0,
      );
      const expected = counts.reduce((sum, count, at) => sum + count - live(state, `node-${at}`), 0);
      if (free !== expected) throw new Error(`${free} free slots instead of ${expected}`);
    }),
    { numRuns: 500 },
  );
});

t.test('a full node grants no slot, assumed pods included', async (t) => {
  const { state } = scene([5], '2');
  t.ok(allocateSlot(state, slotRequest('a')).intent);
  t.ok(allocateSlot(state, slotRequest('b')).intent);
  t.equal(allocateSlot(state, slotRequest('c')).intent, undefined);
});

t.test('an owner that keeps pod names gets each slot for the pod of its name only', async (t) => {
  const { state, pods } = scene([0, 0]);
  state.store.upsert(intent('node-0', 1, ['db-1']), 1);
  state.store.upsert(intent('node-1', 1, ['db-0']), 1);
  const nodeOf = (name: string) =>
    allocateSlot(state, { requestUid: name, ownerUid: 'owner', pod: pod(name) }).intent?.nodeName;
  t.equal(nodeOf('db-0'), 'node-1');
  t.match(allocateSlot(state, { requestUid: 'x', ownerUid: 'owner', pod: pod('db-2') }), {
    intent: undefined,
    reason: 'the plan moves other pods of this owner',
  });
  pods.put(pod('db-2'));
  pods.put(pod('db-1'));
  const matched = assignPendingPods(state, 'owner').map(({ pod, intent }) => [
    pod.metadata.name,
    intent.nodeName,
  ]);
  t.same(matched, [['db-1', 'node-0']]);
  t.equal(nodeOf('db-1'), 'node-0');
});

t.test('nominated pods keep their node, the others go where most slots are free', async (t) => {
  const { state, pods } = scene([2, 1]);
  pods.put({ ...pod('a'), status: { nominatedNodeName: 'node-1' } });
  pods.put(pod('b'));
  pods.put(pod('c'));
  pods.put(pod('d'));
  const matched = assignPendingPods(state, 'owner').map(({ pod, intent }) => [
    pod.metadata.name,
    intent.nodeName,
  ]);
  t.same(matched, [
    ['a', 'node-1'],
    ['b', 'node-0'],
    ['c', 'node-0'],
  ]);
});

t.test('live pods on the node use slots, ended and terminating ones do not', async (t) => {
  const { state, pods } = scene([2]);
  pods.put(pod('a', 'node-0'));
  pods.put({ ...pod('b', 'node-0'), status: { phase: 'Succeeded' } });
  const dying = pod('c', 'node-0');
  pods.put({ ...dying, metadata: { ...dying.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } });
  t.equal(slotsOf(state, 'owner')[0]?.used, 1);
});

t.test('nothing is assigned beside a webhook that may change pods', async (t) => {
  const { state } = scene([1]);
  t.match(allocateSlot(state, slotRequest('a', { isCoexisting: true })), { way: 'hold' });
});

t.test(
  'a held pod that is reviewed again keeps its slot, and frees it once the pod no longer fits',
  async (t) => {
    const { state } = scene([1]);
    t.match(allocateSlot(state, slotRequest('a', { pod: late('') })), { way: 'hold' });
    const seen = gated('', 'pin/node-0');
    t.match(reallocateSlot(state, slotRequest('b', { pod: seen })), { way: 'hold', reason: /volume/ });
    t.equal(slotsOf(state, 'owner')[0]?.used, 1);
    const unfit = { ...seen, spec: { ...seen.spec, nodeSelector: { zone: 'b' } } };
    t.match(reallocateSlot(state, slotRequest('c', { pod: unfit })), { intent: undefined });
    t.equal(slotsOf(state, 'owner')[0]?.used, 0);
    t.equal(
      reallocateSlot(state, slotRequest('d', { pod: seen })),
      undefined,
      'a pod without a grant is not ours',
    );
  },
);

t.test('held pods take room on their node and are not pinned again', async (t) => {
  const { state, pods } = scene([5], '2');
  pods.put(gated('a', 'pin/node-0'));
  t.ok(allocateSlot(state, slotRequest('b')).intent);
  t.equal(allocateSlot(state, slotRequest('c')).intent, undefined, 'the node takes two pods only');
  t.same(assignPendingPods(state, 'owner'), []);
});

t.test('where two held pods do not both fit, the first lands and the other loses its gate', async (t) => {
  const { state, pods, nodes } = scene([2], '1');
  const ready = { ...node('node-0', '1'), status: { ...node('node-0', '1').status, conditions: [READY] } };
  nodes.put(ready);
  const all = ['a', 'b'].map((name) => gated(name, 'pin/node-0'));
  for (const each of all) pods.put(each);
  const intent = state.store.get('pin/node-0')?.intent;
  t.same(
    all.map((each) => nextGateStep(state, intent, each).kind),
    ['land', 'release'],
  );
});

t.test('no pod is held for a node that is being deleted', async (t) => {
  const { state, nodes } = scene([1]);
  const gone = node('node-0', '100');
  nodes.put({ ...gone, metadata: { ...gone.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } });
  t.match(allocateSlot(state, slotRequest('a', { pod: late('') })), { reason: 'its node is being deleted' });
});

t.test('no pod is held for a while for a node that kube-scheduler refused', async (t) => {
  const { state, pass } = scene([2]);
  state.assumedPods.avoid('pin/node-0', state.now() + 1_000);
  t.equal(allocateSlot(state, slotRequest('a', { pod: late('') })).intent, undefined);
  t.match(allocateSlot(state, slotRequest('b')), { way: 'assign' }, 'what can be assigned still is');
  pass(1_000);
  t.match(allocateSlot(state, slotRequest('c', { pod: late('') })), { way: 'hold' });
});
