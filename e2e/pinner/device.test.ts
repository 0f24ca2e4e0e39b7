import t from 'tap';
import { isGated, landsOn } from '../../api/heldpods.ts';
import { eventually } from './fixture.ts';
import { HeldScene, HOLD_TIMEOUT_MS } from './heldscene.ts';
import { bootMachine } from './machine.ts';

/** Pods that ask for a GPU, on a real kubelet whose device plugin or DRA driver is slower than the kubelet itself. */

const scene = new HeldScene('device');
const GPU = 'nvidia.com/gpu';
const DEVICES_AFTER_MS = HOLD_TIMEOUT_MS + 4_000;

t.before(async () => {
  await scene.open();
  await Promise.all([scene.pinner().then((pinner) => scene.leads(pinner)), scene.webhook()]);
});
t.teardown(() => scene.close());

t.test('a GPU pod is created behind our gate, and runs on its node once the device is there', async (t) => {
  const spec = {
    containers: [{ name: 'main', image: 'main', resources: { limits: { [GPU]: '1' } } }],
  };
  const { nodeName, intent } = await scene.slots('gpu', 1, { spec });
  await scene.held('gpu', 1);
  const machine = await bootMachine({
    nodeName,
    providerID: `fake:///${nodeName}`,
    host: 7,
    devices: { [GPU]: '1' },
    devicesAfterSeconds: DEVICES_AFTER_MS / 1000,
  });
  t.teardown(() => machine.stop());
  const podOf = async () => (await scene.work.podsOf('gpu'))[0];
  const ready = await eventually('its kubelet is ready', async () => {
    const node = await scene.home.node(nodeName);
    return (
      node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') && node
    );
  });
  const early = await podOf();
  t.notOk(Number(ready.status?.allocatable?.[GPU] ?? '0'), 'before the device is there');
  t.ok(early && isGated(early), 'the pod is still held');
  const pod = await eventually(
    'the pod runs',
    async () => {
      const found = await podOf();
      return found?.status?.phase === 'Running' && found;
    },
    40_000,
  );
  t.equal(pod.spec.nodeName, nodeName);
  t.equal(pod.metadata.uid, early?.metadata.uid, 'the very pod that was created');
  t.equal(landsOn(pod), nodeName);
  await eventually('BOUND', () => scene.autoscaler.results.get(intent.id)?.state === 'BOUND');
});

const DRIVER = 'gpu.example.com';
const CLASS = 'device-test-gpu';
const DRA = '/apis/resource.k8s.io/v1';

interface Claim {
  readonly status?: {
    readonly allocation?: { readonly devices?: { readonly results?: readonly { readonly pool: string }[] } };
    readonly reservedFor?: readonly { readonly uid: string }[];
  };
}

/** A class of devices, and a template for claims of one of them. */
const makeClass = async (): Promise<void> => {
  const { client, work } = scene;
  const match = { cel: { expression: `device.driver == '${DRIVER}'` } };
  await client.request('POST', `${DRA}/deviceclasses`, {
    body: {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'DeviceClass',
      metadata: { name: CLASS },
      spec: { selectors: [match] },
    },
  });
  const exactly = { deviceClassName: CLASS };
  await client.request('POST', `${DRA}/namespaces/${work.namespace}/resourceclaimtemplates`, {
    body: {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaimTemplate',
      metadata: { name: 'one-gpu' },
      spec: { spec: { devices: { requests: [{ name: 'gpu', exactly }] } } },
    },
  });
};

/** The driver's ResourceSlice for a node, once it has found its devices. */
const publishSlice = async (nodeName: string): Promise<void> => {
  const pool = { name: nodeName, generation: 1, resourceSliceCount: 1 };
  await scene.client.request('POST', `${DRA}/resourceslices`, {
    body: {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceSlice',
      metadata: { name: nodeName },
      spec: { driver: DRIVER, nodeName, pool, devices: [{ name: 'gpu-0' }] },
    },
  });
};

t.test('a pod with a ResourceClaim runs on its node once the driver has published the device', async (t) => {
  const { client, work } = scene;
  t.teardown(async () => {
    await client.request('DELETE', `${DRA}/deviceclasses/${CLASS}`);
  });
  await makeClass();
  const { nodeName, intent } = await scene.slots('claim', 1, {
    spec: {
      containers: [{ name: 'main', image: 'main', resources: { claims: [{ name: 'gpu' }] } }],
      resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 'one-gpu' }],
    },
  });
  const [held] = await scene.held('claim', 1);
  const providerID = `fake:///${nodeName}`;
  const machine = await bootMachine({ nodeName, providerID, host: 8, devices: {}, devicesAfterSeconds: 0 });
  t.teardown(() => machine.stop());
  const podOf = async () => (await work.podsOf('claim'))[0];
  const isRefused = async (): Promise<boolean> => {
    const said = (await podOf())?.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    return said?.reason === 'Unschedulable' && /claim/.test(said.message ?? '');
  };
  await eventually('kube-scheduler finds no device', isRefused, 40_000);
  const since = Date.now();
  await eventually('longer than others wait', () => Date.now() - since > HOLD_TIMEOUT_MS + 2_000);
  t.equal((await podOf())?.metadata.uid, held?.metadata.uid, 'it is not replaced');
  await publishSlice(nodeName);
  t.teardown(async () => {
    await client.request('DELETE', `${DRA}/resourceslices/${nodeName}`);
  });
  const running = async () => {
    const pod = await podOf();
    return pod?.status?.phase === 'Running' && pod;
  };
  const pod = await eventually('the pod runs', running, 40_000);
  t.equal(pod.spec.nodeName, nodeName);
  t.equal(pod.metadata.uid, held?.metadata.uid, 'the very pod that was created');
  const { items } = await client.request<{ readonly items: readonly Claim[] }>(
    'GET',
    `${DRA}/namespaces/${work.namespace}/resourceclaims`,
  );
  t.equal(items[0]?.status?.allocation?.devices?.results?.[0]?.pool, nodeName);
  t.equal(items[0]?.status?.reservedFor?.[0]?.uid, pod.metadata.uid);
  await eventually('BOUND', () => scene.autoscaler.results.get(intent.id)?.state === 'BOUND');
});
