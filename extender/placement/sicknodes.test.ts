import t from 'tap';
import { PIN } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { createScene, nodeOf, OWNER, podOf, slotsIntentOf } from '../testing/scene.ts';
import { allocateSlot, assignPendingPods } from './allocate.ts';

type Scene = ReturnType<typeof createScene>;

/** A scene whose grants end as their pods appear, as with the leader. */
const open = (): Scene => {
  const scene = createScene();
  scene.pods.onChange((change) => scene.assumedPods.observe(change));
  return scene;
};

const underDiskPressure = (name: string): Node => {
  const node = nodeOf(name);
  const conditions = [...(node.status?.conditions ?? []), { type: 'DiskPressure', status: 'True' as const }];
  return { ...node, status: { ...node.status, conditions } };
};

/** Creates a pod through the webhook's way and has the kubelet refuse it; whether it was assigned. */
const createAndRefuse = ({ state, pods, advance }: Scene, index: number, refusal: Pod['status']): boolean => {
  const uid = `p${index}`;
  const grant = allocateSlot(state, { requestUid: `r${index}`, ownerUid: OWNER, pod: podOf(uid) });
  if (!grant.intent || grant.way !== 'assign') return false;
  advance(1_000);
  const { metadata, ...made } = podOf(uid, { nodeName: grant.intent.nodeName });
  const annotated = { ...made, metadata: { ...metadata, annotations: { [PIN]: grant.intent.id } } };
  pods.put(annotated);
  const startTime = new Date(state.now()).toISOString();
  pods.put({ ...annotated, status: { phase: 'Failed', startTime, ...refusal } });
  return true;
};

t.test('fault 3: no pod is assigned to a node under disk pressure', async (t) => {
  const scene = open();
  scene.nodes.put(underDiskPressure('a'));
  scene.store.upsert(slotsIntentOf('a', 1), 1);
  const message = 'Pod was rejected: The node had condition: [DiskPressure]. ';
  t.equal(createAndRefuse(scene, 0, { reason: 'Evicted', message }), false);
});

t.test('fault 3: no pending pod is sent to a node under disk pressure', async (t) => {
  const scene = open();
  scene.nodes.put(underDiskPressure('a'));
  scene.store.upsert(slotsIntentOf('a', 1), 1);
  scene.pods.put(podOf('waits'));
  t.same(assignPendingPods(scene.state, OWNER), []);
});

t.test('fault 3: a node that refuses two pods in a row gets no third', async (t) => {
  const scene = open();
  scene.nodes.put(nodeOf('a'));
  scene.store.upsert(slotsIntentOf('a', 1), 1);
  const rounds = Array.from({ length: 20 }, (_, index) =>
    createAndRefuse(scene, index, { reason: 'UnexpectedAdmissionError' }),
  );
  t.equal(rounds.filter(Boolean).length, 2, 'then kube-scheduler decides');
  scene.pods.put(podOf('waits'));
  t.same(assignPendingPods(scene.state, OWNER), [], 'nor is a pending pod sent there');
});
