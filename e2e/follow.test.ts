import t from 'tap';
import * as labels from '../api/labels.ts';
import type { NodeClaim, Pod } from '../api/objects.ts';
import { NODE_CLAIMS, NODES, PODS } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { until } from '../kube/testing/until.ts';
import { attach } from './ground/ground.ts';
import { controlOf } from './support/components.ts';
import { withSettings } from './support/settings.ts';
import { onStage, type Stage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { applyDeployment, podsRunning } from './support/workload.ts';

const SHAPES = [
  ['small', '250m', '256Mi', 8],
  ['wide', '900m', '512Mi', 5],
  ['deep', '500m', '3Gi', 5],
] as const;
// One burst of pods needs several machines of this size.
const SMALL_MACHINES = {
  requirements: [
    { key: 'karpenter.k8s.aws/instance-cpu', operator: 'In' as const, values: ['4'] },
    // Karpenter remembers a refused offering for three minutes, so machines of other suites are in zone a.
    { key: labels.ZONE, operator: 'In' as const, values: ['us-west-2b', 'us-west-2c'] },
  ],
};
const PODS_IN_ALL = SHAPES.reduce((sum, [, , , replicas]) => sum + replicas, 0);

const burst = (client: KubeClient, name: string): Promise<unknown> =>
  Promise.all(
    SHAPES.map(([app, cpu, memory, replicas]) =>
      applyDeployment(client, { namespace: name, name: app, replicas, cpu, memory, pool: name }),
    ),
  );

const claimsOf = async (client: KubeClient, pool: string): Promise<readonly NodeClaim[]> =>
  (await client.list(NODE_CLAIMS, { labelSelector: `${labels.KARPENTER_NODEPOOL}=${pool}` })).items;

/** Every claim seen during the test, by name. */
const countClaims = (client: KubeClient, pool: string) => {
  const seen = new Map<string, NodeClaim>();
  const look = async (): Promise<void> => {
    for (const claim of await claimsOf(client, pool)) seen.set(claim.metadata.name, claim);
  };
  const timer = setInterval(() => void look().catch(() => undefined), 250);
  return { seen, look, stop: () => clearInterval(timer) };
};

const nominations = (pods: readonly Pod[]): readonly string[] =>
  pods.filter((pod) => !pod.spec.nodeName).flatMap((pod) => pod.status?.nominatedNodeName ?? []);

const podsOf = async (client: KubeClient, namespace: string): Promise<readonly Pod[]> =>
  (await client.list(PODS, { namespace })).items;

const following = (
  test: Pick<typeof t, 'comment'>,
  name: string,
  act: (stage: Stage) => Promise<void>,
): Promise<void> =>
  onStage(test, { name, machines: 0, deployments: 0, pool: SMALL_MACHINES }, async (stage) => {
    try {
      await act(stage);
    } finally {
      await controlOf(stage.ground).clearFaults();
    }
  });

const SETTINGS = { FOLLOW_KARPENTER: 'true', NODE_JOIN_DEADLINE: '45s' };

t.test('with FOLLOW_KARPENTER', (t) =>
  withSettings(attach(process.env.GROUND_NAME ?? ''), SETTINGS, async () => {
    await t.test(
      'the pods that Karpenter bought machines for are bound to them before they join, and none is bought twice',
      (t) =>
        following(t, 'follow', async ({ client, ground, name }) => {
          const seen = await witness(client, name);
          const counted = countClaims(client, name);
          t.teardown(() => {
            seen.stop();
            counted.stop();
          });
          await controlOf(ground).setFaults({ delays: { joinMs: 8_000 } });
          await burst(client, name);
          const bound = await until(
            'every pod has a node',
            async () => {
              const pods = await podsOf(client, name);
              return pods.length === PODS_IN_ALL && pods.every((p) => p.spec.nodeName) ? pods : undefined;
            },
            { timeoutMs: 60_000, everyMs: 100 },
          );
          const nodes = new Set((await client.list(NODES)).items.map((n) => n.metadata.name));
          t.ok(
            bound.every((p) => nodes.has(p.spec.nodeName ?? '')),
            'every node that a pod is bound to stands',
          );
          const first = (await claimsOf(client, name)).map((c) => c.metadata.name);
          const pods = await podsRunning(client, name, PODS_IN_ALL, 90_000);
          t.strictSame(
            pods.filter((p) => !seen.boundEarly.has(p.metadata.uid ?? '')).map((p) => p.metadata.name),
            [],
            'all of them were bound before a kubelet had spoken',
          );
          t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
          await counted.look();
          t.strictSame([...counted.seen.keys()].sort(), first.sort(), 'no machine was bought again');
          t.ok(first.length > 1, 'the burst needed several machines');
          for (const claim of await claimsOf(client, name)) {
            const there = pods.filter((p) => p.spec.nodeName === claim.status?.nodeName).length;
            const boughtFor = Number(claim.spec.resources?.requests?.pods);
            t.equal(
              there,
              boughtFor,
              `${claim.metadata.name} was bought for ${boughtFor} pods and has as many`,
            );
          }
          await until(
            'the nodes are open',
            async () => {
              const { items } = await client.list(NODES, {
                labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}`,
              });
              return items.every(
                (n) =>
                  (n.spec?.taints ?? []).length === 0 &&
                  n.metadata.labels?.[labels.PLACEHOLDER] === undefined,
              );
            },
            { timeoutMs: 30_000 },
          );
        }),
    );

    await t.test('capacity that the cloud has not got gives its pods back, and Karpenter buys again', (t) =>
      following(t, 'follow-capacity', async ({ client, ground, name }) => {
        const seen = await witness(client, name);
        const counted = countClaims(client, name);
        t.teardown(() => {
          seen.stop();
          counted.stop();
        });
        // Every offering of the common families is refused; the others remain.
        await controlOf(ground).setFaults({ capacity: [{ instanceType: 'c*' }, { instanceType: 'm*' }] });
        await burst(client, name);
        const pods = await podsRunning(client, name, PODS_IN_ALL, 120_000);
        t.strictSame(nominations(pods), []);
        t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
        const there = await claimsOf(client, name);
        t.ok(
          there.every((c) => c.metadata.labels?.[labels.INSTANCE_TYPE]?.startsWith('r')),
          'what runs is what the cloud has',
        );
      }),
    );

    await t.test(
      'a claim that dies before its machine joins gives its pods back at once, bound and nominated ones',
      (t) =>
        following(t, 'follow-dies', async ({ client, ground, name }) => {
          const seen = await witness(client, name);
          t.teardown(() => seen.stop());
          const control = controlOf(ground);
          await control.setFaults({ delays: { joinMs: 120_000 } });
          await burst(client, name);
          // A pod without a controller is never bound early: it can only be nominated.
          await client.create(PODS, {
            apiVersion: 'v1',
            kind: 'Pod',
            metadata: { name: 'bare', namespace: name },
            spec: {
              nodeSelector: { [labels.KARPENTER_NODEPOOL]: name },
              terminationGracePeriodSeconds: 1,
              containers: [
                {
                  name: 'app',
                  image: 'pause:local',
                  resources: { requests: { cpu: '700m', memory: '300Mi' } },
                },
              ],
            },
          } as unknown as Pod);
          const before = await until(
            'the bare pod is nominated, and the others are bound',
            async () => {
              const pods = await podsOf(client, name);
              const isDone = pods.every((p) => p.spec.nodeName || p.metadata.name === 'bare');
              return pods.length === PODS_IN_ALL + 1 && isDone && nominations(pods).length === 1
                ? pods
                : undefined;
            },
            { timeoutMs: 60_000, everyMs: 100 },
          );
          const nominee = nominations(before)[0];
          const bare = before.find((p) => p.metadata.name === 'bare');
          await control.setFaults({ delays: { joinMs: 2_000 } });
          const dying = await until(
            'Karpenter knows the nodes of its claims',
            async () => {
              const claims = await claimsOf(client, name);
              return claims.every((c) => c.status?.nodeName) ? claims : undefined;
            },
            { timeoutMs: 30_000 },
          );
          await Promise.all(dying.map((c) => client.delete(NODE_CLAIMS, { name: c.metadata.name })));
          const startedAt = Date.now();
          await until(
            'the nomination is cleared, or there is a new one',
            async () => {
              const pod = await client.get(PODS, { name: 'bare', namespace: name });
              return pod.spec.nodeName !== undefined || pod.status?.nominatedNodeName !== nominee;
            },
            { timeoutMs: 30_000, everyMs: 50 },
          );
          t.comment(`the nomination was cleared after ${Date.now() - startedAt} ms`);
          const pods = await podsRunning(client, name, PODS_IN_ALL + 1, 120_000);
          t.equal(
            pods.find((p) => p.metadata.name === 'bare')?.metadata.uid,
            bare?.metadata.uid,
            'the bare pod is the same one: nobody deleted it',
          );
          t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
          const dead = new Set(dying.map((c) => c.status?.nodeName));
          t.notOk(
            pods.some((p) => dead.has(p.spec.nodeName)),
            'they run on new machines',
          );
        }),
    );

    await t.test('a machine whose kubelet never joins gives its pods back, and its claim is ended', (t) =>
      following(t, 'follow-never', async ({ client, ground, name }) => {
        const seen = await witness(client, name);
        const counted = countClaims(client, name);
        t.teardown(() => {
          seen.stop();
          counted.stop();
        });
        const control = controlOf(ground);
        await control.setFaults({ noJoin: [{ instanceType: '*' }] });
        await burst(client, name);
        await until(
          'every pod is bound to a machine that will not join',
          async () => {
            const pods = await podsOf(client, name);
            return pods.length === PODS_IN_ALL && pods.every((p) => p.spec.nodeName);
          },
          { timeoutMs: 60_000, everyMs: 100 },
        );
        await counted.look();
        const lost = [...counted.seen.keys()];
        await control.clearFaults();
        await podsRunning(client, name, PODS_IN_ALL, 180_000);
        t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
        await until(
          'the claims of the lost machines are gone',
          async () => (await claimsOf(client, name)).every((c) => !lost.includes(c.metadata.name)),
          { timeoutMs: 60_000 },
        );
      }),
    );
    await t.test(
      'when all of ours are killed after the pods are bound, they run all the same, and the nodes open',
      (t) =>
        following(t, 'follow-killed', async ({ client, ground, name }) => {
          const seen = await witness(client, name);
          t.teardown(() => seen.stop());
          await controlOf(ground).setFaults({ delays: { joinMs: 12_000 } });
          await burst(client, name);
          const bound = await until(
            'every pod is bound',
            async () => {
              const pods = await podsOf(client, name);
              return pods.length === PODS_IN_ALL && pods.every((p) => p.spec.nodeName) ? pods : undefined;
            },
            { timeoutMs: 60_000, everyMs: 100 },
          );
          await ground.kubectl([
            ...['delete', 'pods', '-n', 'castai-agent', '--force', '--grace-period=0'],
            ...['-l', 'app in (castai-kentroller, castai-pod-pinner)'],
          ]);
          const pods = await podsRunning(client, name, PODS_IN_ALL, 90_000);
          const places = (all: readonly Pod[]) =>
            all.map((p) => `${p.metadata.uid} on ${p.spec.nodeName}`).sort();
          t.strictSame(places(pods), places(bound), 'the same pods, where they were');
          t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
          const open = await until(
            'the nodes are open',
            async () => {
              const { items } = await client.list(NODES, {
                labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}`,
              });
              return items.every((n) => (n.spec?.taints ?? []).length === 0) ? items : undefined;
            },
            { timeoutMs: 60_000 },
          );
          t.ok(open.length > 1, 'and there are several');
        }),
    );
  }),
);
