import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { parse, parseAllDocuments, stringify } from 'yaml';
import type { KubeObject, Pod } from '../../api/objects.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { attach, up } from '../ground/ground.ts';
import { removeKubeconfigs, writeKubeconfig } from '../support/account.ts';

/**
 * The second scheduler of manifests/overlays/second-scheduler: kube-scheduler itself, with the configuration and the
 * rights that are installed, beside our extender and beside ones that fail.
 */

const OVERLAY = 'manifests/overlays/second-scheduler';
const NAMESPACE = 'castai-agent';
const SCHEDULER = 'castai-scheduler';
const PROCESS = 'second-scheduler';
const SHOP = 'shop';
const SOON_MS = 20_000;

interface Manifest extends KubeObject {
  readonly kind: string;
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: { readonly template?: object; readonly ports?: readonly { name: string; port: number }[] };
}
interface Configuration {
  readonly extenders: { urlPrefix: string }[];
  readonly [key: string]: unknown;
}

const { GROUND_NAME } = process.env;
const ground = GROUND_NAME ? attach(GROUND_NAME) : await up({ name: `scheduler-${process.pid}` });
// The fixture reads them when it is loaded.
process.env.KUBECONFIG = ground.kubeconfig;
process.env.SUITE_HOST = ground.hostAddress;
const { eventually, freePort, joinAs, pinnerEnv } = await import('./fixture.ts');
const { Autoscaler } = await import('./fakeautoscaler.ts');
const { Component } = await import('./component.ts');
const { nodeIntent, podIntent } = await import('./intents.ts');
const { connect } = await import('../../kube/client/client.ts');
const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'suite', qps: 1_000, burst: 2_000 });

const rendered = await ground.kubectl(['kustomize', OVERLAY]);
const manifests = parseAllDocuments(rendered).map((document) => document.toJS() as Manifest);
const find = (kind: string, name: RegExp): Manifest => {
  const found = manifests.find((one) => one.kind === kind && name.test(one.metadata.name));
  if (!found) throw new Error(`no ${kind} ${name} in ${OVERLAY}`);
  return found;
};
const configuration = parse(
  find('ConfigMap', /^castai-scheduler-configuration/).data?.['configuration.yaml'] ?? '',
) as Configuration;

const dir = join(ground.dir, 'second-scheduler');
mkdirSync(dir, { recursive: true });
const port = await freePort();
const processes: { stop(): Promise<unknown> }[] = [];

/** kube-scheduler has the rights of the overlay's ServiceAccount and no others. */
const accountKubeconfig = (): Promise<string> =>
  writeKubeconfig(client, ground.kubeconfig, { namespace: NAMESPACE, name: SCHEDULER });

/** The installed configuration, except for the addresses of the API server and the pod pinner. */
const startScheduler = async (): Promise<void> => {
  const file = join(dir, 'configuration.yaml');
  const [extender] = configuration.extenders;
  const here = {
    ...configuration,
    clientConnection: { kubeconfig: await accountKubeconfig() },
    extenders: [{ ...extender, urlPrefix: `http://${ground.hostAddress}:${port}` }],
  };
  writeFileSync(file, stringify(here));
  const program = await ground.program('controlplane');
  const args = ['--authentication-skip-lookup=true', '--secure-port=10999', '--leader-elect=true'];
  ground.addProcess({ name: PROCESS, argv: [program, 'scheduler', `--config=${file}`, ...args] });
};

const makeNode = async (name: string): Promise<void> => {
  const resources = { cpu: '8', memory: '16Gi', pods: '110' };
  const labels = { 'kubernetes.io/hostname': name };
  await client.create(NODES, {
    metadata: { name, labels },
    status: { capacity: resources, allocatable: resources },
  });
  await joinAs(client, name);
};

const makePod = (name: string, spec: object = {}): Promise<Pod> =>
  client.create<Pod>(PODS, {
    metadata: { name, namespace: SHOP },
    spec: {
      schedulerName: SCHEDULER,
      // It tolerates all taints: only the extender keeps it off a reserved node.
      tolerations: [{ operator: 'Exists' }],
      containers: [{ name: 'main', image: 'main' }],
      ...spec,
    },
  } as unknown as Pod);

const placed = (name: string): Promise<string> =>
  eventually(
    `${name} has its node`,
    async () => (await client.get(PODS, { name, namespace: SHOP })).spec.nodeName,
    SOON_MS,
  );

const described = (name: string, said: RegExp): Promise<string> =>
  eventually(
    `kubectl describe pod ${name} says ${said}`,
    async () => {
      const text = await ground.kubectl(['describe', 'pod', '--namespace', SHOP, name]);
      return said.test(text) && text;
    },
    SOON_MS,
  );

t.before(async () => {
  const installed = manifests.filter(
    ({ kind, metadata }) =>
      !['Deployment', 'MutatingWebhookConfiguration'].includes(kind) &&
      // Those that judge names are for the installed ones; other suites choose theirs.
      (!kind.startsWith('ValidatingAdmission') || metadata.name === 'castai-own-scheduler'),
  );
  const file = join(dir, 'installed.yaml');
  writeFileSync(file, installed.map((one) => stringify(one)).join('---\n'));
  await ground.kubectl(['apply', '--server-side', '--filename', file]);
  await client.request('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SHOP } },
  });
  await eventually('the ServiceAccount', async () => {
    await client.request('GET', `/api/v1/namespaces/${SHOP}/serviceaccounts/default`);
    return true;
  });
  for (const name of ['plain', 'reserved']) await makeNode(name);
  await startScheduler();
});
t.teardown(async () => {
  for (const one of processes) await one.stop();
  await ground.stopProcess(PROCESS).catch(() => {});
  for (const name of ['plain', 'reserved']) await client.delete(NODES, { name }).catch(() => {});
  await client.request('DELETE', `/api/v1/namespaces/${SHOP}`).catch(() => {});
  removeKubeconfigs(ground.kubeconfig, NAMESPACE);
  client.close();
  if (!GROUND_NAME) await ground.down();
});

t.test(
  'all that is installed is taken by the API server, under the restricted Pod Security standard',
  async (t) => {
    const deployments = manifests.filter(({ kind }) => kind === 'Deployment');
    t.equal(deployments.length, 5);
    for (const { metadata, spec } of deployments) {
      const template = spec?.template as { metadata: object; spec: { serviceAccountName: string } };
      const pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...template.metadata, name: `dry-${metadata.name}`, namespace: NAMESPACE },
        spec: template.spec,
      };
      const query = { dryRun: 'All' };
      await client.request('POST', `/api/v1/namespaces/${NAMESPACE}/pods`, { body: pod, query });
      t.match(template.metadata, {
        labels: { 'autoscaling.cast.ai/removal-disabled': 'true' },
        annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false' },
      });
    }
  },
);

t.test('an overlay for older clusters leaves out what they do not know, and nothing else', async (t) => {
  const read = (text: string) =>
    parseAllDocuments(text).map((document) => (document.toJS() as Manifest).kind);
  const [all, older] = await Promise.all(
    ['base', 'overlays/before-1.30'].map(async (f) =>
      read(await ground.kubectl(['kustomize', `manifests/${f}`])),
    ),
  );
  const known = all?.filter((kind) => !kind.startsWith('ValidatingAdmission'));
  t.not(all?.length, known?.length);
  t.same(older?.toSorted(), known?.toSorted());
});

t.test('the extender is configured to cost little and to stand in nobody’s way', async (t) => {
  const [extender] = configuration.extenders;
  t.match(extender, { filterVerb: 'filter', nodeCacheCapable: true, ignorable: true, httpTimeout: '300ms' });
  const url = new URL(extender?.urlPrefix ?? '');
  const service = find('Service', /^castai-pod-pinner$/);
  t.equal(url.hostname, `${service.metadata.name}.${service.metadata.namespace}.svc`);
  const ports = service.spec?.ports ?? [];
  t.equal(ports.find(({ name }) => name === 'extender')?.port, Number(url.port || 80));
});

/** Ways in which an extender can fail; each is asked over a new connection. */
const FAULTS: readonly (readonly [string, (answer: ServerResponse) => void])[] = [
  ['hangs', () => {}],
  ['answers 500', (answer) => answer.writeHead(500).end('broken')],
  ['answers garbage', (answer) => answer.writeHead(200).end('{"NodeNames": [')],
  ['names nodes that were not asked about', (answer) => answer.end('{"NodeNames":["elsewhere"]}')],
  ['says that it failed', (answer) => answer.end('{"Error":"broken"}')],
  ['cuts the connection', (answer) => answer.destroy()],
];
for (const [i, [what, answer]] of FAULTS.entries()) {
  t.test(`an extender that ${what} keeps no pod from its node`, async (t) => {
    let calls = 0;
    const server: Server = createServer((request, response) => {
      calls++;
      request.resume().on('end', () => answer(response));
    });
    server.listen(port, ground.hostAddress);
    await once(server, 'listening');
    t.teardown(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    // The first request may go to a connection of the previous extender and fail before it reaches this one.
    for (let pod = 0; pod < 3 && calls === 0; pod++) {
      await makePod(`fault-${i}-${pod}`);
      t.match(await placed(`fault-${i}-${pod}`), /^(plain|reserved)$/);
    }
    t.ok(calls > 0, 'it was asked');
  });
}

t.test('no extender at all keeps no pod from its node', async (t) => {
  await makePod('alone');
  t.match(await placed('alone'), /^(plain|reserved)$/);
});

t.test('with ours, a pod of a plan goes to its node, and others learn why they may not', async (t) => {
  const autoscaler = await Autoscaler.start(client, NAMESPACE);
  const pinner = new Component('extender/main.ts', {
    ...pinnerEnv(NAMESPACE, 'a'),
    HOST: ground.hostAddress,
    PORT: String(port),
  });
  processes.push(pinner, { stop: () => autoscaler.close() });
  await eventually('the full state', () => pinner.said('full state received'));
  autoscaler.upsert(nodeIntent('reserved', { plan: 'saving' }));
  await eventually('the node is reserved', () => autoscaler.results.get('node/reserved')?.state === 'JOINED');

  const onlyReserved = { nodeSelector: { 'kubernetes.io/hostname': 'reserved' } };
  await makePod('stranger', onlyReserved);
  const stranger = await described('stranger', /reserved for the pods of plan saving/);
  t.match(stranger, /0\/2 nodes are available: .*1 reserved for the pods of plan saving/);
  await makePod('anywhere');
  t.equal(await placed('anywhere'), 'plain', 'another pod keeps off');

  // Bare pods are not bound early: kube-scheduler places them, where the extender says.
  const gated = { schedulingGates: [{ name: 'suite.example.com/wait' }] };
  const waiting = await makePod('waiting', gated);
  const mine = await makePod('mine', gated);
  const pins = [podIntent('reserved', mine), { ...podIntent('', waiting), nodeClaim: 'claim-on-its-way' }];
  autoscaler.upsert(...pins.map((intent) => ({ ...intent, plan: 'saving' })));
  for (const { id } of pins) await eventually('the pin is known', () => autoscaler.results.get(id));
  for (const name of ['mine', 'waiting'])
    await client.patch(PODS, { name, namespace: SHOP }, { spec: { schedulingGates: null } });
  t.equal(await placed('mine'), 'reserved');
  const said = await described('waiting', /has not joined yet/);
  t.match(said, /2 plan saving puts this pod on a node that has not joined yet/);

  autoscaler.remove(pins[1]?.id ?? '');
  autoscaler.remove('node/reserved');
  t.match(await placed('waiting'), /^(plain|reserved)$/, 'when the plan lets go, it is scheduled');
  t.equal(await placed('stranger'), 'reserved');
});

t.test('a second scheduler that was taken over ends no pods, but still preempts', async (t) => {
  const scheduler = connect({ kubeconfig: await accountKubeconfig(), userAgent: SCHEDULER });
  const onPlain = { nodeSelector: { 'kubernetes.io/hostname': 'plain' } };
  const big = { containers: [{ name: 'main', image: 'main', resources: { requests: { cpu: '6' } } }] };
  const victim = await makePod('victim', { ...onPlain, ...big, terminationGracePeriodSeconds: 0 });
  t.equal(await placed('victim'), 'plain');
  const ref = { name: 'victim', namespace: SHOP };
  const status = { subresource: 'status', dryRun: true };
  await t.rejects(scheduler.delete(PODS, ref, { dryRun: true }), /castai-own-scheduler/);
  await t.rejects(
    scheduler.patch(PODS, ref, { status: { phase: 'Failed' } }, status),
    /castai-own-scheduler/,
  );
  await client.request('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', {
    body: {
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: 'urgent' },
      value: 1e6,
    },
  });
  t.teardown(() => client.request('DELETE', '/apis/scheduling.k8s.io/v1/priorityclasses/urgent'));
  await makePod('preemptor', { ...onPlain, ...big, priorityClassName: 'urgent' });
  await eventually('the victim goes', async () => {
    const found = await client.get(PODS, ref).catch(() => undefined);
    return found?.metadata.uid !== victim.metadata.uid || found?.metadata.deletionTimestamp !== undefined;
  });
  scheduler.close();
});
