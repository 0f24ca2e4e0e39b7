import t from 'tap';
import { PIN, PLACEHOLDER, PREPARING_TAINT } from '../../api/labels.ts';
import { EVENTS, LEASES, NODES, PODS } from '../../api/resources.ts';
import { Component } from './component.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, joinAs, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent, podIntent } from './intents.ts';

const scene = new Scene('extender');
const { client, namespace } = scene;

let autoscaler: Autoscaler;
let extender: Component;

t.before(async () => {
  await scene.open();
  autoscaler = await Autoscaler.start(client, namespace);
  extender = new Component('extender/main.ts', { ...pinnerEnv(namespace, 'a'), KEEP_REFUSED: '1s' });
  await eventually('the full state', () => extender.said('full state received'));
});
t.teardown(async () => {
  await extender.stop();
  await autoscaler.close();
  await scene.close();
});

const bound = async (name: string, nodeName: string, count: number) =>
  eventually(`${count} pods of ${name} on ${nodeName}`, async () => {
    const pods = (await scene.podsOf(name)).filter(({ spec }) => spec.nodeName === nodeName);
    return pods.length === count && pods;
  });

t.test(
  'a placeholder stands before its machine, takes pods, and is handed over to the kubelet',
  async (t) => {
    const name = scene.nodeName('joins');
    autoscaler.upsert(nodeIntent(name));
    const made = await eventually('the placeholder', () => scene.node(name));
    t.equal(made.metadata.labels?.[PLACEHOLDER], 'true');
    t.equal(made.metadata.labels?.['node.kubernetes.io/instance-type'], 'm5.large');
    t.equal(made.spec?.providerID, `fake:///${name}`);
    t.ok(made.spec?.taints?.some(({ key }) => key === PREPARING_TAINT));
    t.match(made.status, { capacity: { cpu: '2' }, allocatable: { memory: '7Gi' } });
    t.notOk(made.status?.allocatable?.['nvidia.com/gpu'], 'devices are counted by the kubelet');
    t.notOk(made.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'));
    await eventually('a heartbeat', () => client.get(LEASES, { namespace: 'kube-node-lease', name }));
    await eventually('the line', () => extender.said('node placeholder created', { node: name }));

    const pin = `pin/${namespace}/web/${name}`;
    const web = await scene.replicaSet('web', 2);
    autoscaler.upsert(ownerIntent(name, web, 2));
    const pods = await bound('web', name, 2);
    t.equal(pods[0]?.metadata.annotations?.[PIN], pin);
    await eventually('the line', () => extender.said('pod pinned', { node: name }));
    await eventually('BOUND', () => autoscaler.results.get(pin)?.state === 'BOUND');
    t.equal(autoscaler.results.get(pin)?.bound, 2);
    t.equal(autoscaler.results.get(`node/${name}`)?.state, 'PLACED');

    await joinAs(client, name);
    await eventually('JOINED', () => autoscaler.results.get(`node/${name}`)?.state === 'JOINED');
    const joined = await scene.node(name);
    t.notOk(joined?.metadata.labels?.[PLACEHOLDER], 'it is no placeholder any more');
    autoscaler.remove(pin);
    autoscaler.remove(`node/${name}`);
    await eventually('the node is open to all', async () => {
      const taints = (await scene.node(name))?.spec?.taints ?? [];
      return !taints.some(({ key }) => key === PREPARING_TAINT);
    });
    t.equal((await bound('web', name, 2)).length, 2, 'the pods stay');
  },
);

t.test('a pending pod is nominated before its node has a name, and bound when it stands', async (t) => {
  const name = scene.nodeName('late');
  await scene.replicaSet('single', 1, { spec: { nodeSelector: { place: name } } });
  const pod = await eventually('the pod', async () => (await scene.podsOf('single'))[0]);
  const intent = podIntent(name, pod);
  autoscaler.upsert({ ...intent, nodeName: '' });
  await eventually('nominated with the claim', async () => {
    const [now] = await scene.podsOf('single');
    return now?.status?.nominatedNodeName === `claim-of-${name}`;
  });
  autoscaler.upsert(intent);
  await eventually('missed', () => extender.said('node placeholder not found', { node: name }));
  autoscaler.upsert(nodeIntent(name));
  await bound('single', name, 1);
  await eventually('BOUND', () => autoscaler.results.get(intent.id)?.state === 'BOUND');
  t.pass('bound');
});

t.test('a machine that does not join in time is given up, its pods first', async (t) => {
  const name = scene.nodeName('never');
  const stranded = await scene.replicaSet('stranded', 1, { spec: { nodeSelector: { place: name } } });
  const intent = nodeIntent(name, { deadline: Date.now() + 3_000 });
  autoscaler.upsert(intent);
  autoscaler.upsert(ownerIntent(name, stranded, 1));
  const [pod] = await bound('stranded', name, 1);
  await eventually('the placeholder is gone', async () => (await scene.node(name)) === undefined);
  await eventually('the line', () => extender.said('node placeholder deleted', { node: name }));
  await eventually('GIVEN_UP', () => autoscaler.results.get(intent.id)?.state === 'GIVEN_UP');
  const fresh = await eventually('a new pod', async () => {
    const [other] = await scene.podsOf('stranded');
    return other && other.metadata.uid !== pod?.metadata.uid && other;
  });
  t.notOk(fresh.spec.nodeName, 'it waits for another node');
  t.equal(await scene.node(name), undefined, 'no second placeholder is made');
});

t.test('an intent that a resync does not contain holds no more', async (t) => {
  const name = scene.nodeName('dropped');
  autoscaler.upsert(nodeIntent(name));
  await eventually('the placeholder', () => scene.node(name));
  autoscaler.intents.delete(`node/${name}`);
  autoscaler.cut();
  await eventually('the placeholder is gone', async () => (await scene.node(name)) === undefined);
  t.ok(extender.said('failed streaming pod pinning actions, restarting...'));
});

t.test('a pod that asks for a device is nominated, and bound when the kubelet has counted it', async (t) => {
  const name = scene.nodeName('gpu');
  const gpu = await scene.replicaSet('gpu', 1, {
    requests: { cpu: '100m' },
    spec: {
      nodeSelector: { place: name },
      containers: [{ name: 'main', image: 'main', resources: { limits: { 'nvidia.com/gpu': '1' } } }],
    },
  });
  autoscaler.upsert(nodeIntent(name), ownerIntent(name, gpu, 1));
  await eventually('nominated', async () => {
    const [pod] = await scene.podsOf('gpu');
    return pod?.status?.nominatedNodeName === name && pod.spec.nodeName === undefined;
  });
  const amounts = { cpu: '2', memory: '7Gi', pods: '29', 'nvidia.com/gpu': '1' };
  await client.patch(
    NODES,
    { name },
    { status: { capacity: amounts, allocatable: amounts } },
    { subresource: 'status' },
  );
  await joinAs(client, name);
  await bound('gpu', name, 1);
  t.pass('bound');
});

t.test(
  'a pod that a kubelet refused is explained and removed, for its controller has made another',
  async (t) => {
    await scene.replicaSet('refused', 1, { spec: { nodeSelector: { place: 'nowhere' } } });
    const pod = await eventually('the pod', async () => (await scene.podsOf('refused'))[0]);
    const ref = { name: pod.metadata.name, namespace };
    const status = { phase: 'Failed', reason: 'OutOfcpu', message: 'Node did not have enough resource: cpu' };
    await client.patch(PODS, ref, { status }, { subresource: 'status' });
    await eventually('the line', () => extender.said('pod refused by its kubelet', { reason: 'OutOfcpu' }));
    await eventually('an event', async () => {
      const { items } = await client.list(EVENTS, { namespace });
      return items.find(
        ({ reason, involvedObject }) => reason === 'PodRefused' && involvedObject?.name === ref.name,
      );
    });
    const [other] = await eventually('another pod alone', async () => {
      const pods = await scene.podsOf('refused');
      return pods.length === 1 && pods[0]?.metadata.uid !== pod.metadata.uid && pods;
    });
    t.not(other?.metadata.name, ref.name);
  },
);
