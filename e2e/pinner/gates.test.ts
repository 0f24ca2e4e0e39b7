import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { isGated } from '../../api/heldpods.ts';
import { PIN } from '../../api/labels.ts';
import { Component } from './component.ts';
import { eventually, joinAs } from './fixture.ts';
import { HeldScene, HOLD_TIMEOUT_MS } from './heldscene.ts';
import { setState } from './webhookscene.ts';

/** Held pods are never stuck: when a component of ours dies, freezes or stops, any other one releases them. */

/** A Lease that does not expire before these suites are over. */
const LONG = { LEASE_DURATION: '60s', RENEW_DEADLINE: '40s' };
/** A pod that asks for a volume can't be bound early. */
const LATE = { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'never' } }] };
const folder = mkdtempSync(join(tmpdir(), 'gates-'));
t.teardown(() => rmSync(folder, { recursive: true }));

/** The deadline of the other half of the failures takes its time. */
const LONG_FORM = process.env.SOAK ? {} : { skip: 'SOAK=1 runs it' };

let serial = 0;

/** A scene with one leading pinner, a webhook, and two pods that are held for a machine on its way. */
const open = async (
  teardown: (end: () => Promise<void>) => void,
  o: { readonly pinner?: Readonly<Record<string, string>> } = {},
) => {
  const scene = new HeldScene(`gates${serial++}`);
  teardown(() => scene.close());
  await scene.open();
  const pinner = await scene.pinner(o.pinner);
  const [webhook] = await Promise.all([scene.webhook(), scene.leads(pinner)]);
  const { nodeName, planName } = await scene.slots('app', 2, { spec: LATE });
  await scene.held('app', 2);
  return { scene, pinner, webhook, nodeName, planName };
};

/** A replica that watches held pods, leading or not. */
const isUp = (component: Component) =>
  eventually('it is up', () => component.said('cache synced', { kind: 'Pod', of: 'held' }), 60_000);

const areHeld = async (scene: HeldScene): Promise<boolean> => (await scene.work.podsOf('app')).every(isGated);

const TYPE = {
  name: 'm5.large',
  architecture: 'amd64',
  operatingSystems: ['linux'],
  resources: { cpu: '2', memory: '8Gi', pods: '29', 'ephemeral-storage': '20Gi' },
  offerings: [
    {
      Price: 0.096,
      Available: true,
      Requirements: [
        { key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
        { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['a'] },
      ],
    },
  ],
};

/** kentroller as a replica that does not lead: the suite's autoscaler holds its Lease. */
const kentroller = (scene: HeldScene): Component => {
  const types = join(folder, 'types.json');
  writeFileSync(types, JSON.stringify([TYPE]));
  const made = new Component('kentroller/main.ts', {
    POD_NAMESPACE: scene.home.namespace,
    HOST: '127.0.0.1',
    PEER_HOST: '127.0.0.1',
    HEALTH_PORT: '0',
    PEER_PORT: '0',
    INSTANCE_TYPES_FILE_PATH: types,
    PIN_HOLD_TIMEOUT: `${HOLD_TIMEOUT_MS}ms`,
    LOG_LEVEL: 'debug',
  });
  scene.components.push(made);
  return made;
};

t.test(
  'the leader is frozen: another pinner lets the pods go where their node could take them',
  async (t) => {
    const { scene, pinner, webhook, nodeName } = await open(t.teardown, { pinner: LONG });
    const other = await scene.pinner(LONG);
    await webhook.stop('SIGKILL');
    await isUp(other);
    pinner.process.kill('SIGSTOP');
    await joinAs(scene.client, nodeName);
    const began = Date.now();
    await scene.lifted('app', 2);
    t.ok(Date.now() - began >= HOLD_TIMEOUT_MS - 1_000, 'the leader was given its time');
    const line = await eventually('the line', () => other.said('gate released'));
    t.match(line.reason, /could have taken it/);
  },
);

t.test(
  'the leader is frozen and its Lease runs out: the other pinner takes over, and the pods land',
  LONG_FORM,
  async (t) => {
    const { scene, pinner, nodeName } = await open(t.teardown);
    await scene.pinner();
    pinner.process.kill('SIGSTOP');
    await eventually('taken over', () => scene.autoscaler.hellos.includes('pinner-2'));
    t.ok(await areHeld(scene), 'they waited');
    await joinAs(scene.client, nodeName);
    const pods = await scene.lifted('app', 2);
    t.ok(
      pods.every(({ metadata }) => metadata.annotations?.[PIN] !== undefined),
      'with their pins',
    );
  },
);

t.test(
  'all pinners are killed, and the machine joins: the webhook lets the pods go',
  LONG_FORM,
  async (t) => {
    const { scene, pinner, webhook, nodeName } = await open(t.teardown, { pinner: LONG });
    await pinner.stop('SIGKILL');
    await joinAs(scene.client, nodeName);
    await scene.lifted('app', 2);
    const line = await eventually('the line', () => webhook.said('gate released'));
    t.match(line.reason, /could have taken it/);
  },
);

t.test(
  'all pinners are killed, and the machine is still on its way: the webhook lets the pods go',
  async (t) => {
    const { scene, pinner, webhook } = await open(t.teardown);
    await pinner.stop('SIGKILL');
    const pods = await scene.lifted('app', 2);
    const line = await eventually('the line', () => webhook.said('gate released'));
    t.equal(line.reason, 'nobody leads the pod pinner');
    t.ok(pods.every(({ metadata, spec }) => metadata.annotations?.[PIN] === undefined && !spec.affinity));
  },
);

t.test('the leader hangs when the plan ends: the webhook lets the pods go', async (t) => {
  const { scene, pinner, webhook, planName } = await open(t.teardown, { pinner: LONG });
  pinner.process.kill('SIGSTOP');
  await setState(scene.client, planName, 'Done');
  await scene.lifted('app', 2);
  const line = await eventually('the line', () => webhook.said('gate released'));
  t.equal(line.reason, 'no plan that runs moves its owner');
});

t.test('pinners and webhook are killed: kentroller lets the pods go, though it does not lead', async (t) => {
  const { scene, pinner, webhook } = await open(t.teardown);
  const third = kentroller(scene);
  await isUp(third);
  await Promise.all([pinner.stop('SIGKILL'), webhook.stop('SIGKILL')]);
  await scene.lifted('app', 2);
  t.ok(await eventually('the line', () => third.said('gate released')));
});

t.test('a leader that is told to stop leaves the pods to the one that takes over', LONG_FORM, async (t) => {
  const { scene, pinner, nodeName } = await open(t.teardown);
  const other = await scene.pinner();
  await isUp(other);
  await pinner.stop();
  t.ok(await areHeld(scene));
  t.notOk(pinner.said('gate released'));
  await joinAs(scene.client, nodeName);
  const pods = await scene.lifted('app', 2);
  t.ok(
    pods.every(({ metadata }) => metadata.annotations?.[PIN] !== undefined),
    'with their pins',
  );
});

t.test(
  'all of ours are told to stop at once: the last of them lets the pods go on its way out',
  async (t) => {
    const { scene } = await open(t.teardown);
    const other = await scene.pinner();
    await isUp(other);
    await Promise.all(scene.components.map((each) => each.stop()));
    t.notOk((await scene.work.podsOf('app')).some(isGated), 'before the last process has ended');
  },
);

t.test(
  'whoever comes back first lets go the pods that a sudden end of all of ours has left',
  LONG_FORM,
  async (t) => {
    const { scene, pinner, webhook } = await open(t.teardown);
    await Promise.all([pinner.stop('SIGKILL'), webhook.stop('SIGKILL')]);
    t.ok(await areHeld(scene), 'nobody is there who could');
    const back = kentroller(scene);
    await scene.lifted('app', 2);
    t.ok(await eventually('the line', () => back.said('gate released')));
  },
);
