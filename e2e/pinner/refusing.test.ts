import t from 'tap';
import type { Pod, ReplicaSet } from '../../api/objects.ts';
import { EVENTS, PODS } from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, joinAs, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent } from './intents.ts';

/** Fault 3: a node whose kubelet refuses pods gets no third, from this leader or the next. */

const scene = new Scene('refusing');
const { client, namespace } = scene;
const [sick, sound] = [scene.nodeName('sick'), scene.nodeName('sound')];
let autoscaler: Autoscaler;
let pinner: Component;
let owner: ReplicaSet;

const startPinner = async (name: string): Promise<Component> => {
  const started = new Component('extender/main.ts', pinnerEnv(namespace, name));
  await eventually('the full state', () => started.said('full state received'), 60_000);
  return started;
};

const podsOn = async (nodeName: string): Promise<readonly Pod[]> =>
  (await scene.podsOf('web')).filter(({ spec }) => spec.nodeName === nodeName);

/** Refuses the pod that is bound to the node and not refused yet, as its kubelet would. */
const refuseNext = async (): Promise<void> => {
  const pod = await eventually('a pod is bound to the sick node', async () =>
    (await podsOn(sick)).find(({ status }) => status?.phase !== 'Failed'),
  );
  const message = 'Pod was rejected: Update plugin resources failed due to a broken device plugin';
  const startTime = new Date().toISOString();
  const status = { phase: 'Failed', reason: 'UnexpectedAdmissionError', message, startTime };
  await client.patch(PODS, { name: pod.metadata.name, namespace }, { status }, { subresource: 'status' });
};

const resultOf = (nodeName: string) => autoscaler.results.get(ownerIntent(nodeName, owner, 0).id);

t.before(async () => {
  await scene.open();
  autoscaler = await Autoscaler.start(client, namespace);
  pinner = await startPinner('a');
  for (const name of [sick, sound]) {
    autoscaler.upsert(nodeIntent(name));
    await eventually('the placeholder', () => scene.node(name));
    await joinAs(client, name);
  }
  owner = await scene.replicaSet('web', 1);
});
t.teardown(async () => {
  await pinner.stop();
  await autoscaler.close();
  await scene.close();
});

t.test('fault 3: after two refusals in a row kube-scheduler decides', async (t) => {
  autoscaler.upsert(ownerIntent(sick, owner, 1));
  await refuseNext();
  await refuseNext();
  await eventually('the autoscaler hears of it', () => resultOf(sick)?.state === 'REJECTED');
  t.match(resultOf(sick)?.reason, /refused 2 pods in a row \(UnexpectedAdmissionError\)/);
  await eventually('an event on the node', async () => {
    const fieldSelector = `involvedObject.name=${sick},reason=NodeRefusesPods`;
    return (await client.list(EVENTS, { namespace: 'default', fieldSelector })).items[0];
  });
});

t.test('fault 3: a new leader counts the refusals from the pods', async (t) => {
  await pinner.stop('SIGKILL');
  autoscaler.results.clear();
  pinner = await startPinner('b');
  await eventually('the new leader closes the node', () => resultOf(sick)?.state === 'REJECTED');
  // One pass places all pending pods of an owner: with three on the sound node, the fourth was left alone.
  await scene.scale('web', 4);
  autoscaler.upsert(ownerIntent(sound, owner, 3));
  await eventually('three pods are on the sound node', async () => (await podsOn(sound)).length === 3);
  const refused = await podsOn(sick);
  t.equal(refused.length, 2);
  t.ok(refused.every(({ status }) => status?.phase === 'Failed'));
});
