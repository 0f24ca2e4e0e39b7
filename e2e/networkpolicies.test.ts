import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { PODS } from '../api/resources.ts';
import { connect } from '../kube/client/client.ts';
import { paced } from '../kube/testing/pace.ts';
import { until } from '../kube/testing/until.ts';
import { attach } from './ground/ground.ts';
import { lackOf } from './run/needs.ts';
import { bringOutside, METADATA, type Outside } from './support/outside.ts';
import { inPod, type Reach, type RunNode, reachOf, type Target } from './support/reach.ts';
import { createNamespace, deleteNamespace, isRunning } from './support/workload.ts';

/**
 * Our NetworkPolicies, enforced by the ground: who reaches which port, tried from where an attacker would be. Traffic
 * between a pod and its own node is never policed, so a machine outside plays the API server, the cloud and the world.
 */

const OURS = 'castai-agent';
const APPS = {
  kentroller: 'castai-kentroller',
  pinner: 'castai-pod-pinner',
  webhook: 'castai-pod-pinner-webhook',
  keeper: 'castai-pod-pinner-webhook-keeper',
};
const STRANGERS = `strangers-${randomUUID().slice(0, 8)}`;
const PORTS = { api: 443, api6443: 6443, dns: 53, http: 80, any: 8443, peer: 9443 };
/** Time for a connection that is allowed to get through on a busy machine. */
const WITHIN_MS = 60_000;

const ground = attach(process.env.GROUND_NAME ?? '');
const skip = lackOf(ground.backend, ['enforced NetworkPolicies']);
const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'precision-packer-e2e' });

/** Some running pod of one of our Deployments; which one leads is no matter, since a refusal shows that it was reached. */
const podOf = (app: string): Promise<Pod> =>
  until(
    `a pod of ${app} runs`,
    async () =>
      (await client.list(PODS, { namespace: OURS, labelSelector: `app=${app}` })).items.find(isRunning),
    { timeoutMs: WITHIN_MS },
  );

const addressOf = ({ status }: Pod): string =>
  (status as { readonly podIP?: string } | undefined)?.podIP ?? '';

/** Starts a pod on the real node that waits for `exec`. */
const startPod = async (
  namespace: string,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<RunNode> => {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels },
    spec: {
      nodeName: 'real-1',
      terminationGracePeriodSeconds: 0,
      securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          name: 'app',
          image: 'precision-packer:dev',
          imagePullPolicy: 'IfNotPresent',
          args: ['-e', 'setInterval(() => {}, 1e9)'],
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        },
      ],
    },
  };
  await client.create(PODS, pod as unknown as Pod);
  t.teardown(() => client.delete(PODS, { namespace, name }).catch(() => {}));
  await until(`${name} runs`, async () => isRunning(await client.get(PODS, { namespace, name })), {
    timeoutMs: WITHIN_MS,
  });
  return inPod(ground, namespace, name);
};

/** Tries until everything that is to be reached was; what is to be shut must be so each time. */
const holds = async (test: Tap, run: RunNode, expected: Readonly<Record<Target, Reach>>): Promise<void> => {
  const deadline = Date.now() + paced(WITHIN_MS);
  for (;;) {
    const found = await reachOf(run, Object.keys(expected));
    const isOpen = Object.keys(expected).some(
      (target) => expected[target] === 'shut' && found[target] === 'reached',
    );
    const isAsExpected = Object.keys(expected).every((target) => found[target] === expected[target]);
    if (isOpen || isAsExpected || Date.now() > deadline) {
      test.strictSame(found, expected);
      return;
    }
    await sleep(500);
  }
};

type Tap = Pick<typeof t, 'strictSame'>;

const DOORS = [
  ['kentroller', 9443],
  ['kentroller', 8081],
  ['pinner', 8080],
  ['pinner', 9443],
  ['pinner', 9091],
  ['webhook', 8443],
  ['webhook', 9091],
  ['keeper', 9091],
] as const;

/** Every door of our pods but for a pod's own: those named are reached, the rest is shut. */
const doors = (
  ips: Readonly<Record<keyof typeof APPS, string>>,
  reached: readonly string[],
  own?: keyof typeof APPS,
): Readonly<Record<Target, Reach>> =>
  Object.fromEntries(
    DOORS.filter(([app]) => app !== own).map(([app, port]): [Target, Reach] => [
      `${ips[app]}:${port}`,
      reached.includes(`${app}:${port}`) ? 'reached' : 'shut',
    ]),
  );

/** What a pod of ours may reach beyond the cluster: ports for all, and the metadata services. */
const world = (outside: Outside, metadata: Reach): Readonly<Record<Target, Reach>> => ({
  ...Object.fromEntries(
    Object.values(PORTS).map((port) => [
      `${outside.address}:${port}`,
      [PORTS.api, PORTS.api6443, PORTS.dns].includes(port) ? 'reached' : 'shut',
    ]),
  ),
  ...Object.fromEntries(METADATA.map((address) => [`${address}:80`, metadata])),
});

t.test('who reaches whom', { skip }, async (t) => {
  t.teardown(() => client.close());
  await createNamespace(client, STRANGERS);
  t.teardown(() => deleteNamespace(client, STRANGERS));
  const outside = await bringOutside(ground, Object.values(PORTS));
  t.teardown(() => outside.end());
  const [kentroller, pinner, webhook, keeper] = await Promise.all(Object.values(APPS).map(podOf));
  if (!kentroller || !pinner || !webhook || !keeper) throw new Error('not all of our components run');
  const ips = {
    kentroller: addressOf(kentroller),
    pinner: addressOf(pinner),
    webhook: addressOf(webhook),
    keeper: addressOf(keeper),
  };
  const inOurs = (pod: Pod): RunNode => inPod(ground, OURS, pod.metadata.name);
  const anyone = ['kentroller:8081', 'pinner:9091', 'webhook:8443', 'webhook:9091'];

  await t.test(
    'a pod of a stranger reaches neither extender verbs nor slots nor the pin stream',
    async (t) => {
      await holds(t, await startPod(STRANGERS, 'stranger', { app: 'stranger' }), doors(ips, anyone));
    },
  );

  for (const app of [...Object.values(APPS), 'castai-scheduler']) {
    await t.test(`a pod in another namespace with the labels of ${app} is a stranger, too`, async (t) => {
      await holds(t, await startPod(STRANGERS, `false-${app}`, { app }), doors(ips, anyone));
    });
  }

  await t.test('a machine outside the cluster is a stranger, too, and may be the API server', async (t) => {
    const run: RunNode = (args) => ground.exec([...outside.enter, process.execPath, ...args]);
    await holds(t, run, doors(ips, anyone));
  });

  await t.test('a kube-scheduler in our namespace reaches the extender verbs', async (t) => {
    const name = `scheduler-${STRANGERS}`;
    await holds(
      t,
      await startPod(OURS, name, { app: 'castai-scheduler' }),
      doors(ips, [...anyone, 'pinner:8080']),
    );
  });

  await t.test('a pod pinner that was taken over reaches the pin stream alone', async (t) => {
    const expected = { ...doors(ips, ['kentroller:9443'], 'pinner'), ...world(outside, 'shut') };
    await holds(t, inOurs(pinner), expected);
  });

  await t.test('a webhook that was taken over reaches slots alone', async (t) => {
    await holds(t, inOurs(webhook), { ...doors(ips, ['pinner:9443'], 'webhook'), ...world(outside, 'shut') });
  });

  await t.test('a keeper of the webhook that was taken over reaches no component of ours', async (t) => {
    await holds(t, inOurs(keeper), { ...doors(ips, [], 'keeper'), ...world(outside, 'shut') });
  });

  await t.test('a kentroller that was taken over reaches no component of ours, and the cloud', async (t) => {
    await holds(t, inOurs(kentroller), { ...doors(ips, [], 'kentroller'), ...world(outside, 'reached') });
  });
});
