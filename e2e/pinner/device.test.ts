import t from 'tap';
import { isGated, landsOn } from '../../api/hold.ts';
import { eventually } from './fixture.ts';
import { HeldScene, HOLD_TIMEOUT_MS } from './heldscene.ts';
import { bootMachine } from './machine.ts';

/** Pods that ask for a GPU, on a real kubelet whose device plugin is slower than the kubelet itself. */

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
