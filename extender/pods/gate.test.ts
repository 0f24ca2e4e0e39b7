import t from 'tap';
import { narrowAffinity } from '../../api/heldpods.ts';
import { OPEN_TO_DAEMONSETS, PIN, PIN_HELD, PIN_NODE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createScene, nodeOf, podOf, slotsIntentOf } from '../testing/scene.ts';
import { createGateController } from './gate.ts';

const LIMITS = { timeoutMs: 10_000, longestMs: 900_000 };

/** A landed pod that kube-scheduler rejects; `wait` looks at it after some milliseconds and says whether it was replaced. */
const landed = (more: { readonly metadata?: object; readonly spec?: object } = {}) => {
  const scene = createScene();
  const calls: string[] = [];
  const call = (name: string) => async () => void calls.push(name);
  const client = { patch: call('patch'), delete: call('delete') } as unknown as KubeClient;
  const controller = createGateController({
    client,
    state: scene.state,
    recorder: { event: () => {}, flush: async () => {} },
    log: createLogger({ component: 'gate', level: 'silent' }),
    observe: () => {},
    limits: LIMITS,
  });
  const base = podOf('web-1');
  const pod: Pod = {
    ...base,
    metadata: {
      ...base.metadata,
      resourceVersion: '1',
      labels: { [PIN_HELD]: 'true' },
      annotations: { [PIN]: 'pin/green', [PIN_NODE]: 'green' },
      ...more.metadata,
    },
    spec: {
      ...base.spec,
      ...more.spec,
      affinity: {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: narrowAffinity(base, 'green') },
      },
    },
    status: {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: 'no node' }],
    },
  };
  scene.pods.put(pod);
  const setCordon = (isCordoned: boolean): void => {
    const node = nodeOf('green');
    const cordoned = {
      ...node,
      metadata: { ...node.metadata, annotations: { [OPEN_TO_DAEMONSETS]: 'true' } },
      spec: { ...node.spec, unschedulable: true },
    };
    scene.nodes.put(isCordoned ? cordoned : node);
  };
  const wait = async (ms: number): Promise<boolean> => {
    scene.advance(ms);
    await controller.reconcile('n/web-1', AbortSignal.timeout(60_000));
    return calls.length > 0;
  };
  const isAvoided = (): boolean => scene.assumedPods.isAvoided('pin/green');
  return { setCordon, wait, isAvoided, store: scene.store };
};

t.test('a landed pod does not wait for ever for a node whose cordon stays', async (t) => {
  const { setCordon, wait } = landed();
  setCordon(true);
  t.notOk(await wait(0));
  t.notOk(await wait(LIMITS.longestMs - 1), 'it waits for the DaemonSets');
  t.ok(await wait(1), 'and is replaced at the longest hold');
});

t.test('a landed pod has its whole time again when the cordon of its node ends', async (t) => {
  const { setCordon, wait } = landed();
  setCordon(true);
  await wait(0);
  setCordon(false);
  t.notOk(await wait(LIMITS.longestMs / 2));
  t.notOk(await wait(LIMITS.timeoutMs - 1));
  t.ok(await wait(1));
});

const pretenders: readonly (readonly [string, Parameters<typeof landed>[0]])[] = [
  ['that nothing would replace', { metadata: { ownerReferences: [] } }],
  ['of a scheduler that is not ours to pin for', { spec: { schedulerName: 'nobody' } }],
];
for (const [what, more] of pretenders) {
  t.test(`attack: a pod ${what} is not deleted for a forged pin`, async (t) => {
    const { setCordon, wait } = landed(more);
    setCordon(false);
    t.notOk(await wait(0));
    t.notOk(await wait(LIMITS.longestMs));
    t.notOk(await wait(LIMITS.longestMs));
  });
}

t.test('attack: a gate forged with the pin of another owner stays no longer than a look', async (t) => {
  const scene = createScene();
  const patches: object[] = [];
  const client = {
    patch: async (_resource: object, _ref: object, body: object) => void patches.push(body),
  } as unknown as KubeClient;
  const controller = createGateController({
    client,
    state: scene.state,
    recorder: { event: () => {}, flush: async () => {} },
    log: createLogger({ component: 'gate', level: 'silent' }),
    observe: () => {},
    limits: LIMITS,
  });
  scene.store.beginResync();
  scene.store.upsert({ ...slotsIntentOf('green', 3), nodeName: '' }, 1);
  scene.store.endResync(1);
  const pod = podOf('fake', { gatedFor: 'pin/green' });
  const real = podOf('real', { gatedFor: 'pin/green' });
  scene.pods.put({ ...pod, metadata: { ...pod.metadata, namespace: 'attacker' } });
  scene.pods.put(real);
  await controller.reconcile('n/real', AbortSignal.timeout(60_000));
  t.same(patches, [], 'the pod of the owner waits for its node');
  await controller.reconcile('attacker/fake', AbortSignal.timeout(60_000));
  t.match(patches, [{ metadata: { annotations: { [PIN]: null } }, spec: { schedulingGates: null } }]);
});

t.test(
  'attack: a pod with a forged pin that kube-scheduler rejects keeps no other pod from that node',
  async (t) => {
    const forged = landed({
      metadata: { ownerReferences: [{ ...podOf('x').metadata.ownerReferences?.[0], uid: 'other' }] },
    });
    for (const { store, setCordon, wait, isAvoided } of [forged, landed()]) {
      store.upsert(slotsIntentOf('green', 3), 1);
      setCordon(false);
      await wait(0);
      t.ok(await wait(LIMITS.timeoutMs), 'its controller makes another');
      if (store === forged.store) t.notOk(isAvoided());
      else t.ok(isAvoided(), 'a pod of the owner tells of its node');
    }
  },
);
