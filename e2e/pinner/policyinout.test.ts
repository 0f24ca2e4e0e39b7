import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import type { Pod } from '../../api/objects.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { attach, up } from '../ground/ground.ts';

/**
 * The extender's policy in and out of a kube-scheduler, and the pod pinner in and out beside it, while a plan reserves a
 * node: in every order, every pod is scheduled.
 */

const { GROUND_NAME } = process.env;
const ground = GROUND_NAME ? attach(GROUND_NAME) : await up({ name: `policy-${process.pid}` });
// The fixture reads them when it is loaded.
process.env.KUBECONFIG = ground.kubeconfig;
process.env.SUITE_HOST = ground.hostAddress;
const { eventually, freePort, joinAs, pinnerEnv, Scene } = await import('./fixture.ts');
const { Autoscaler } = await import('./fakeautoscaler.ts');
const { Component } = await import('./component.ts');
const { nodeIntent, podIntent } = await import('./intents.ts');

const scene = new Scene('policy');
const { client, namespace } = scene;
const SCHEDULER = namespace;
const DEADLINE_MS = 120_000;
const POLICY = new URL('../../manifests/overlays/control-plane-scheduler/policy.yaml', import.meta.url);
const plain = scene.nodeName('plain');
const reserved = scene.nodeName('reserved');
const port = await freePort();

interface Policy {
  readonly extenders: readonly object[];
}

const startScheduler = async (hasPolicy: boolean): Promise<void> => {
  const dir = join(ground.dir, SCHEDULER);
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'policy.yaml');
  const { extenders, ...policy } = parse(readFileSync(POLICY, 'utf8')) as Policy;
  // As it is installed, but for addresses; certificates are tried in extender/scheduler.
  const here = extenders.map((extender) => ({
    ...extender,
    urlPrefix: `http://${ground.hostAddress}:${port}`,
    enableHTTPS: false,
    // Long enough for a machine that is busy: who is gone refuses the connection at once.
    httpTimeout: '60s',
    tlsConfig: undefined,
  }));
  const configuration = {
    ...policy,
    clientConnection: { kubeconfig: ground.kubeconfig },
    leaderElection: { leaderElect: false },
    profiles: [{ schedulerName: SCHEDULER }],
    ...(hasPolicy && { extenders: here }),
  };
  writeFileSync(file, stringify(configuration));
  const program = await ground.program('controlplane');
  ground.addProcess({ name: SCHEDULER, argv: [program, 'scheduler', `--config=${file}`, '--secure-port=0'] });
};
const stopScheduler = (): Promise<void> => ground.stopProcess(SCHEDULER);

const autoscaler = await Promise.resolve().then(async () => {
  await scene.open();
  return Autoscaler.start(client, namespace);
});
const startPinner = async (): Promise<InstanceType<typeof Component>> => {
  const pinner = new Component('extender/main.ts', {
    ...pinnerEnv(namespace, 'a'),
    HOST: ground.hostAddress,
    PORT: String(port),
  });
  await eventually('the full state', () => pinner.said('full state received'), DEADLINE_MS);
  return pinner;
};

let made = 0;
/** A pod for one of the two nodes, which tolerates every taint: only the extender tells them apart. */
const makePod = (o: { readonly isGated?: boolean } = {}): Promise<Pod> =>
  client.create<Pod>(PODS, {
    metadata: { name: `pod-${++made}`, namespace },
    spec: {
      schedulerName: SCHEDULER,
      nodeSelector: { 'example.com/suite': namespace },
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'main', image: 'main' }],
      ...(o.isGated && { schedulingGates: [{ name: 'suite.example.com/wait' }] }),
    },
  } as unknown as Pod);
const ungate = (name: string): Promise<unknown> =>
  client.patch(PODS, { name, namespace }, { spec: { schedulingGates: null } });
const nodeOf = (name: string): Promise<string> =>
  eventually(
    `${name} has its node`,
    async () => {
      const { spec, status } = await client.get(PODS, { name, namespace });
      if (!spec.nodeName) throw new Error(`seen last: ${JSON.stringify(status?.conditions)}`);
      return spec.nodeName;
    },
    DEADLINE_MS,
  );
/** A pod that the plan puts on the reserved node, behind a gate until its pin is known. */
const makePlanned = async (): Promise<string> => {
  const pod = await makePod({ isGated: true });
  const intent = podIntent(reserved, pod);
  autoscaler.upsert(intent);
  await eventually('the pin is known', () => autoscaler.results.get(intent.id), DEADLINE_MS);
  await ungate(pod.metadata.name);
  return pod.metadata.name;
};
/** As many strangers as it takes to see that the reserved node is no longer kept free, or is. */
const strangers = async (): Promise<readonly string[]> => {
  const pods = await Promise.all([makePod(), makePod(), makePod(), makePod()]);
  return Promise.all(pods.map(({ metadata }) => nodeOf(metadata.name)));
};

let pinner: InstanceType<typeof Component> | undefined;
t.before(async () => {
  for (const name of [plain, reserved]) {
    const resources = { cpu: '8', memory: '16Gi', pods: '110' };
    const labels = { 'kubernetes.io/hostname': name, 'example.com/suite': namespace };
    await client.create(NODES, {
      metadata: { name, labels },
      status: { capacity: resources, allocatable: resources },
    });
    await joinAs(client, name);
  }
});
t.teardown(async () => {
  await stopScheduler().catch(() => {});
  await pinner?.stop();
  await autoscaler.close();
  await scene.close();
  if (!GROUND_NAME) await ground.down();
});

t.test('the policy is in place before the pod pinner is: every pod is scheduled', async (t) => {
  await startScheduler(true);
  t.equal((await strangers()).length, 4);
});

t.test('with both, pods of a plan go to its node and strangers keep off', async (t) => {
  pinner = await startPinner();
  autoscaler.upsert(nodeIntent(reserved));
  const seen = (): unknown => autoscaler.results.get(`node/${reserved}`)?.state === 'JOINED';
  await eventually('the node is reserved', () => (seen() ? true : undefined), DEADLINE_MS);
  t.equal(await nodeOf(await makePlanned()), reserved);
  t.same(new Set(await strangers()), new Set([plain]));
});

t.test('the pod pinner goes in the middle of a plan: every pod is scheduled', async (t) => {
  const planned = await makePod({ isGated: true });
  await pinner?.stop();
  await ungate(planned.metadata.name);
  t.match(await nodeOf(planned.metadata.name), /plain|reserved/);
  t.equal((await strangers()).length, 4);
});

t.test(
  'the policy is taken out in the middle of a plan, and the pod pinner is there: so again',
  async (t) => {
    pinner = await startPinner();
    await stopScheduler();
    const waiting = await makePod();
    await startScheduler(false);
    t.match(await nodeOf(waiting.metadata.name), /plain|reserved/, 'it waited for a scheduler, not for us');
    t.match(await nodeOf(await makePlanned()), /plain|reserved/);
    t.equal((await strangers()).length, 4);
  },
);

t.test('both change at once, and come back: pods of the plan go to its node again', async (t) => {
  await Promise.all([stopScheduler(), pinner?.stop()]);
  const waiting = await makePod();
  await startScheduler(true);
  t.match(await nodeOf(waiting.metadata.name), /plain|reserved/);
  pinner = await startPinner();
  t.equal(await nodeOf(await makePlanned()), reserved);
  t.same(new Set(await strangers()), new Set([plain]));
});
