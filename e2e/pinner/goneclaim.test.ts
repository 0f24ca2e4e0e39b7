import t from 'tap';
import { INSTANCE_TYPE, PIN } from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { NODE_CLAIMS, NODES } from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent } from './intents.ts';

/** An autoscaler that dies without withdrawing its intents, and a machine whose order is withdrawn after that. */

const scene = new Scene('goneclaim');
const { client, namespace } = scene;
const name = scene.nodeName('ordered');
const claimName = `claim-of-${name}`;
let autoscaler: Autoscaler;
let pinner: Component;

const order = (): Promise<NodeClaim> =>
  client.create<NodeClaim>(NODE_CLAIMS, {
    apiVersion: 'karpenter.sh/v1',
    kind: 'NodeClaim',
    metadata: { name: claimName },
    spec: {
      nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
      requirements: [{ key: INSTANCE_TYPE, operator: 'In', values: ['m5.large'] }],
    },
  });

t.before(async () => {
  await scene.open();
  autoscaler = await Autoscaler.start(client, namespace);
  pinner = new Component('extender/main.ts', pinnerEnv(namespace, 'alone'));
  await eventually('a leader with its state', () => pinner.said('full state received'));
});
t.teardown(async () => {
  await pinner.stop();
  await autoscaler.close();
  await client.delete(NODE_CLAIMS, { name: claimName }).catch(() => undefined);
  await scene.close();
});

t.test('fault: a placeholder whose NodeClaim is gone is not made again for a dead autoscaler', async (t) => {
  const { metadata } = await order();
  const web = await scene.replicaSet('web', 2, { spec: { nodeSelector: { place: name } } });
  const machine = nodeIntent(name);
  if (!machine.node) throw new Error('no machine');
  autoscaler.upsert(
    { ...machine, node: { ...machine.node, nodeClaimUid: metadata.uid ?? '' } },
    ownerIntent(name, web, 2),
  );
  const onNode = async () => (await scene.podsOf('web')).filter(({ spec }) => spec.nodeName === name);
  await eventually('its pods are bound early', async () => (await onNode()).length === 2);
  await autoscaler.close();
  // As Karpenter does it: the claim and the Node go together, the pods stay behind.
  await client.delete(NODE_CLAIMS, { name: claimName });
  await client.delete(NODES, { name });
  const dropped = await eventually('the intents are dropped', () =>
    pinner.said('intents of a gone node dropped', { node: name }),
  );
  t.match(dropped, { intents: 2, reason: /NodeClaim .* no longer exists/ });
  await eventually('its pods have left it', async () => (await onNode()).length === 0);
  const pods = await eventually('their controller has made others', async () => {
    const found = await scene.podsOf('web');
    return found.length === 2 && found;
  });
  for (const pod of pods) {
    t.equal(pod.status?.nominatedNodeName, undefined, 'nobody waits for the node');
    t.equal(pod.metadata.annotations?.[PIN], undefined);
  }
  const made = pinner.lines.filter((line) => line.msg === 'node placeholder created' && line.node === name);
  t.equal(made.length, 1, 'it was made once');
  t.equal(await scene.node(name), undefined);
});
