import t from 'tap';
import { landsOn } from '../../api/heldpods.ts';
import { PIN, PIN_GATE, PIN_HELD, PIN_NODE, PREPARING_TAINT } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import {
  EVENTS,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
} from '../../api/resources.ts';
import type { Component } from './component.ts';
import { eventually, joinAs } from './fixture.ts';
import { HeldScene } from './heldscene.ts';
import { nodeIntent } from './intents.ts';

/** Pods that can't be bound early wait behind our gate for their node, and kube-scheduler binds them there. */

const scene = new HeldScene('hold');
const { client, work } = scene;
const storageClass = `${scene.home.namespace}-late`;
const volumes: string[] = [];
let pinner: Component;

t.before(async () => {
  await scene.open();
  pinner = await scene.pinner();
  await Promise.all([scene.leads(pinner), scene.webhook()]);
  await client.create(STORAGE_CLASSES, {
    metadata: { name: storageClass },
    provisioner: 'kubernetes.io/no-provisioner',
    volumeBindingMode: 'WaitForFirstConsumer',
  } as never);
});
t.teardown(async () => {
  for (const name of volumes) await client.delete(PERSISTENT_VOLUMES, { name }).catch(() => {});
  await client.delete(STORAGE_CLASSES, { name: storageClass }).catch(() => {});
  await scene.close();
});

const size = { storage: '1Gi' };

/** A disk of the node, and a claim that is bound to it when its first pod is scheduled. */
const disk = async (claim: string, nodeName: string): Promise<object> => {
  const name = `${scene.home.namespace}-${claim}`;
  volumes.push(name);
  await client.create(PERSISTENT_VOLUMES, {
    metadata: { name },
    spec: {
      capacity: size,
      accessModes: ['ReadWriteOnce'],
      storageClassName: storageClass,
      persistentVolumeReclaimPolicy: 'Delete',
      local: { path: '/disk' },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'place', operator: 'In', values: [nodeName] }] }],
        },
      },
    },
  } as never);
  await client.create(PERSISTENT_VOLUME_CLAIMS, {
    metadata: { name: claim, namespace: work.namespace },
    spec: { accessModes: ['ReadWriteOnce'], storageClassName: storageClass, resources: { requests: size } },
  } as never);
  return { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim } }] };
};

const onNode = (name: string, nodeName: string): Promise<Pod> =>
  eventually(`a pod of ${name} on ${nodeName}`, async () => {
    const [pod] = await work.podsOf(name);
    return pod?.spec.nodeName === nodeName && pod;
  });

t.test(
  'a volume that waits for its first pod is bound on the node of the plan, and the pod runs there',
  async (t) => {
    const spec = await disk('wffc', scene.home.nodeName('wffc'));
    const { nodeName, intent } = await scene.slots('wffc', 1, { spec });
    const [held] = await scene.held('wffc', 1);
    t.match(held?.metadata.annotations, { [PIN]: intent.id, [PIN_NODE]: nodeName });
    t.same(held?.spec.schedulingGates, [{ name: PIN_GATE }]);
    await joinAs(client, nodeName);
    const pod = await onNode('wffc', nodeName);
    t.equal(landsOn(pod), nodeName);
    t.ok(
      pod.spec.tolerations?.some(({ key }) => key === PREPARING_TAINT),
      'it may go where others may not',
    );
    await eventually('the line', () => pinner.said('pod pinned', { node: nodeName, way: 'hold' }));
    const claim = await client.get(PERSISTENT_VOLUME_CLAIMS, { name: 'wffc', namespace: work.namespace });
    t.equal(claim.spec?.volumeName, `${scene.home.namespace}-wffc`);
    await eventually('BOUND', () => scene.autoscaler.results.get(intent.id)?.state === 'BOUND');
  },
);

t.test('a held pod has its slot: the next one is not held for it', async (t) => {
  const { nodeName, intent } = await scene.slots('counted', 2, { spec: await disk('counted', 'nowhere') });
  await scene.held('counted', 2);
  await work.scale('counted', 3);
  const pods = await eventually('three', async () => {
    const found = await work.podsOf('counted');
    return found.length === 3 && found;
  });
  t.equal(pods.filter(({ metadata }) => metadata.annotations?.[PIN] === intent.id).length, 2);
  t.equal(scene.autoscaler.results.get(intent.id)?.bound, 2, `two of two on ${nodeName} or held for it`);
  await work.scale('counted', 0);
});

t.test('a pod whose node has no name yet is held, and told the name', async (t) => {
  const { nodeName, intent } = await scene.slots('unnamed', 1, { isUnnamed: true });
  const [held] = await scene.held('unnamed', 1);
  t.equal(held?.metadata.annotations?.[PIN_NODE], undefined);
  scene.autoscaler.upsert(intent);
  await eventually('its name', async () => {
    const [pod] = await work.podsOf('unnamed');
    return pod?.metadata.annotations?.[PIN_NODE] === nodeName;
  });
  scene.autoscaler.upsert(nodeIntent(nodeName));
  const pod = await onNode('unnamed', nodeName);
  t.ok(pod, 'a pod that is safe to bind early does not wait for its machine');
  t.notOk((await scene.home.node(nodeName))?.status?.nodeInfo?.kubeletVersion);
});

t.test('a pod that the node does not suit once it stands is let go as it came', async (t) => {
  const spec = { nodeSelector: { place: 'elsewhere' } };
  const { nodeName, intent } = await scene.slots('unsuited', 1, { spec, isUnnamed: true });
  await scene.held('unsuited', 1);
  scene.autoscaler.upsert(nodeIntent(nodeName), intent);
  const [pod] = await scene.lifted('unsuited', 1);
  t.equal(pod?.spec.affinity, undefined);
  t.equal(pod?.metadata.annotations?.[PIN], undefined);
  t.equal(pod?.metadata.labels?.[PIN_HELD], undefined);
  await eventually('an event that says why', async () => {
    const { items } = await client.list(EVENTS, { namespace: work.namespace });
    return items.some(({ reason, message }) => reason === 'PinLifted' && /node affinity/.test(message ?? ''));
  });
});

t.test('when the plan has no place for it any more, a held pod is let go', async (t) => {
  const { intent } = await scene.slots('ended', 2, { spec: await disk('ended', 'nowhere') });
  await scene.held('ended', 2);
  scene.autoscaler.remove(intent.id);
  const pods = await scene.lifted('ended', 2);
  t.ok(pods.every(({ spec }) => spec.affinity === undefined));
});

t.test('when the machine does not join in time, its held pods are let go', async (t) => {
  const deadline = Date.now() + 4_000;
  const { nodeName } = await scene.slots('failed', 1, { spec: await disk('failed', 'nowhere'), deadline });
  await scene.held('failed', 1);
  const [pod] = await scene.lifted('failed', 1);
  t.equal(pod?.spec.nodeName, undefined);
  t.ok(Date.now() >= deadline, `not before ${nodeName} was given up`);
});

t.test('where other nodes have a say, the node is a wish that kube-scheduler grants', async (t) => {
  const topologySpreadConstraints = [
    {
      maxSkew: 1,
      topologyKey: 'place',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'spread' } },
    },
  ];
  const { nodeName } = await scene.slots('spread', 1, { spec: { topologySpreadConstraints } });
  await scene.held('spread', 1);
  await joinAs(client, nodeName);
  const pod = await onNode('spread', nodeName);
  t.equal(landsOn(pod), undefined, 'it was not tied to it');
});

t.test('a pod that kube-scheduler keeps off its node is made anew, without a pin', async (t) => {
  // Its disk is on another node, which only kube-scheduler finds out.
  const spec = await disk('stranded', 'another-node');
  const { nodeName } = await scene.slots('stranded', 1, { spec });
  const [held] = await scene.held('stranded', 1);
  await joinAs(client, nodeName);
  await eventually('replaced', () => pinner.said('pinned pod replaced', { node: nodeName }));
  const [fresh] = await scene.lifted('stranded', 1);
  t.not(fresh?.metadata.uid, held?.metadata.uid);
  t.equal(fresh?.metadata.annotations?.[PIN], undefined, 'nor is it held again');
  t.equal(fresh?.spec.affinity, undefined);
});
