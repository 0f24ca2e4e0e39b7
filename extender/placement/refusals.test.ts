import t from 'tap';
import type { Pod, PodStatus } from '../../api/objects.ts';
import { createScene, podOf, START } from '../testing/scene.ts';
import { REFUSAL_TTL_MS } from './refusals.ts';

const at = (seconds: number): string => new Date(START + seconds * 1_000).toISOString();
const refused = (seconds: number): PodStatus => ({
  phase: 'Failed',
  reason: 'UnexpectedAdmissionError',
  startTime: at(seconds),
});
const admitted = (seconds: number): PodStatus => ({ phase: 'Running', startTime: at(seconds) });
const pending: PodStatus = { phase: 'Pending' };

/** A sentence, the fates of the pods of node `a`, and whether it is closed to pins. */
const CASES: readonly (readonly [string, readonly PodStatus[], boolean])[] = [
  ['one refusal is an accident', [refused(1)], false],
  ['two in a row close a node', [refused(1), refused(5)], true],
  ['pods that ran before do not matter', [admitted(1), refused(2), refused(3)], true],
  ['a pod that was admitted in between ends the row', [refused(1), admitted(2), refused(3)], false],
  ['a pod that was admitted since opens the node again', [refused(1), refused(2), admitted(3)], false],
  ['within one second the admitted pod counts as the newer', [refused(1), refused(1), admitted(1)], false],
  ['a pod without a verdict says nothing', [refused(1), refused(2), pending], true],
];

for (const [sentence, fates, isClosed] of CASES) {
  t.test(sentence, async (t) => {
    const { state, pods, advance } = createScene();
    advance(10_000);
    fates.forEach((status, index) => {
      pods.put({ ...podOf(`p${index}`, { nodeName: 'a' }), status });
    });
    const reason = state.refusals.closedReason('a');
    if (isClosed) t.match(reason, /refused 2 pods in a row \(UnexpectedAdmissionError\)/);
    else t.equal(reason, undefined);
    t.equal(state.refusals.closedReason('b'), undefined, 'other nodes are open');
  });
}

t.test('a closed node is tried again after ten minutes', async (t) => {
  const { state, pods, advance } = createScene();
  pods.put({ ...podOf('p', { nodeName: 'a' }), status: refused(0) });
  pods.put({ ...podOf('q', { nodeName: 'a' }), status: refused(0) });
  advance(REFUSAL_TTL_MS - 1);
  t.ok(state.refusals.closedReason('a'));
  advance(1);
  t.equal(state.refusals.closedReason('a'), undefined);
});

t.test('refused pods count after their deletion, too', async (t) => {
  const { state, pods } = createScene();
  for (const [index, name] of ['p', 'q'].entries()) {
    const pod: Pod = { ...podOf(name, { nodeName: 'a' }), status: refused(index) };
    pods.put(pod);
    pods.drop(`n/${pod.metadata.name}`);
  }
  t.ok(state.refusals.closedReason('a'));
});

t.test('pods of DaemonSets are judged by their nodes, not the nodes by them', async (t) => {
  const { state, pods } = createScene();
  for (const [index, name] of ['p', 'q'].entries()) {
    const pod = podOf(name, { nodeName: 'a' });
    const ownerReferences = pod.metadata.ownerReferences?.map((owner) => ({ ...owner, kind: 'DaemonSet' }));
    pods.put({
      ...pod,
      metadata: { ...pod.metadata, ...(ownerReferences && { ownerReferences }) },
      status: refused(index),
    });
  }
  t.equal(state.refusals.closedReason('a'), undefined);
});
