import t from 'tap';
import {
  IN_USE_BY,
  KARPENTER_DO_NOT_DISRUPT,
  KARPENTER_NODEPOOL,
  PIN,
  UNSCHEDULABLE,
} from '../api/labels.ts';
import type { Node } from '../api/objects.ts';
import {
  NODE_CLAIMS,
  NODES,
  REBALANCE_PLAN_CLAIMS,
  REBALANCE_PLANS,
  UNAVAILABLE_OFFERINGS,
} from '../api/resources.ts';
import { createCache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { createLogger } from '../kube/component/log.ts';
import { until } from '../kube/testing/until.ts';
import { NODE_LABEL } from './ground/node/kubelet.ts';
import { claimEnded, claimRebalance, ENDS, planOf } from './support/claim.ts';
import { controlOf } from './support/components.ts';
import { outcomeOf } from './support/outcome.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { applyDeployment, podsRunning } from './support/workload.ts';

t.test('capacity that the cloud has not got is recorded, and the second attempt succeeds', (t) =>
  onStage(t, { name: 'capacity', machines: 3 }, async ({ client, ground, name }) => {
    const seen = await witness(client, name);
    const control = controlOf(ground);
    t.teardown(async () => {
      seen.stop();
      await control.clearFaults();
      await control.setZonalShifts({});
    });
    // Read from ARC while the plan below runs, and looked for after it.
    await control.setZonalShifts({
      shifts: [{ zoneId: 'usw2-az3', expiresAt: Date.now() + 3_600_000 }],
    });
    await claimRebalance(client, { name, pool: name, spec: { autoExecute: false } });
    const proposed = await planOf(client, name);
    const add = proposed.spec.nodeClaimsToAdd?.[0];
    const types = add?.alternatives?.[0]?.requirements.find(
      (r) => r.key === 'node.kubernetes.io/instance-type',
    )?.values;
    t.ok(add && types && types.length > 0, 'the plan names the types of its first choice');
    await control.setFaults({ capacity: (types ?? []).map((instanceType) => ({ instanceType })) });
    await client.patch(REBALANCE_PLANS, { name: proposed.metadata.name }, { spec: { execute: true } });
    const claim = await claimEnded(client, name, 240_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'the claim completed');
    const plan = await planOf(client, name);
    const attempts = plan.status?.nodesCreation?.[add?.metadata.name ?? '']?.attempts ?? [];
    t.equal(attempts[0]?.status, 'Failed');
    t.match(attempts[0]?.description, /InsufficientCapacity/);
    t.match(attempts[1], { status: 'Success', nodeClaimName: `${add?.metadata.name}-attempt-2` });
    const offerings = await client.list(UNAVAILABLE_OFFERINGS);
    t.ok(
      offerings.items.some((o) => (types ?? []).includes(o.spec.instanceType)),
      'what the cloud could not give is remembered',
    );
    const pods = await podsRunning(client, name, 12, 60_000);
    const claims = await client.list(NODE_CLAIMS);
    t.strictSame(
      outcomeOf(plan, pods, claims.items).missing,
      [],
      'pods run where the plan put them all the same',
    );
    t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');

    let asked = 0;
    await until(
      'a claim tells of the zone that is shifted away',
      async () => {
        const later = `${name}-shifted-${++asked}`;
        await claimRebalance(client, { name: later, pool: name, spec: { autoExecute: false } });
        const said = await until(
          `claim ${later} has an answer`,
          async () => {
            const { status } = await client.get(REBALANCE_PLAN_CLAIMS, { name: later });
            if (!['Ready', ...ENDS].includes(status?.state ?? '')) throw new Error(`it is ${status?.state}`);
            return status?.conditions?.map(({ message }) => message).join(' ') ?? '';
          },
          { timeoutMs: 120_000, everyMs: 500 },
        );
        if (!/us-west-2c \(usw2-az3\) is shifted away until/.test(said)) throw new Error(said);
        return true;
      },
      { timeoutMs: 180_000, everyMs: 5_000 },
    );
  }),
);

/** The node where our components run, which Karpenter does not own. */
const nodeOfOthers = async (client: KubeClient): Promise<Node> => {
  const { items } = await client.list(NODES, { labelSelector: NODE_LABEL });
  const node = items.find(({ metadata }) => metadata.labels?.[KARPENTER_NODEPOOL] === undefined);
  if (!node) throw new Error(`no node carries the label ${NODE_LABEL}`);
  return node;
};

/** Every state of a node that the API server tells of from now on. */
const statesOf = async (client: KubeClient, name: string) => {
  const log = createLogger({ component: 'capacity-test', level: 'silent' });
  const nodes = createCache({ client, log, resource: NODES });
  const states: Node[] = [];
  nodes.onChange(({ type, object }) => {
    if (type !== 'delete' && object.metadata.name === name) states.push(object);
  });
  const stopping = new AbortController();
  nodes.start(stopping.signal);
  await nodes.synced(stopping.signal);
  return { states, stop: () => stopping.abort() };
};

t.test('pods move to a node that Karpenter does not own, run there, and nothing is bought', (t) =>
  onStage(t, { name: 'others', machines: 1, deployments: 0 }, async ({ client, ground, name, machines }) => {
    const { metadata } = await nodeOfOthers(client);
    const there = metadata.name;
    // Closed while its pods start, so that they start on Karpenter's machine.
    t.teardown(() => ground.kubectl(['uncordon', there]));
    await ground.kubectl(['cordon', there]);
    await applyDeployment(client, {
      namespace: name,
      name: 'app',
      replicas: 2,
      cpu: '20m',
      memory: '16Mi',
      pool: name,
      podSpec: { nodeSelector: {}, tolerations: [{ key: NODE_LABEL, operator: 'Exists' }] },
    });
    const before = await podsRunning(client, name, 2, 60_000);
    t.notOk(before.some(({ spec }) => spec.nodeName === there));
    await ground.kubectl(['uncordon', there]);
    await until(
      `${there} is open`,
      async () => {
        const { spec } = await client.get(NODES, { name: there });
        return !spec?.taints?.some(({ key }) => key === UNSCHEDULABLE);
      },
      { timeoutMs: 30_000 },
    );
    const { states, stop } = await statesOf(client, there);
    t.teardown(stop);
    const seen = await witness(client, name);
    t.teardown(() => seen.stop());

    await claimRebalance(client, { name, pool: name });
    const claim = await claimEnded(client, name, 180_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'the claim completed');
    const plan = await planOf(client, name);
    t.equal(plan.status?.state, 'Done', JSON.stringify(plan.status?.warnings));
    t.same(plan.spec.nodeClaimsToAdd ?? [], [], 'nothing is bought');
    t.match(plan.spec.nodeClaimsToDelete, [{ nodeClaimName: machines[0] }]);
    t.match(
      plan.spec.podsToMigrate?.map(({ dstNodeName, dstNodeUID }) => [dstNodeName, dstNodeUID]),
      [
        [there, metadata.uid],
        [there, metadata.uid],
      ],
    );

    const after = await podsRunning(client, name, 2, 60_000);
    for (const pod of after) t.equal(pod.spec.nodeName, there);
    const admitted = after.filter(({ metadata }) => metadata.annotations?.[PIN] !== undefined);
    // On a starved machine admission may come too late; then the pinner binds the pod.
    t.comment(`${admitted.length} of ${after.length} pods got their slot at admission`);
    t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
    await t.rejects(client.get(NODE_CLAIMS, { name: machines[0] ?? '' }), "Karpenter's machine is gone");

    const owner = `${plan.metadata.name}/${plan.metadata.uid}`;
    const marks = states.map((each) => each.metadata.annotations?.[IN_USE_BY]);
    t.ok(marks.includes(owner), 'the plan had the node to itself');
    const last = await client.get(NODES, { name: there });
    t.equal(last.metadata.annotations?.[IN_USE_BY], undefined, 'and gave it back');
    const changed = states.map(({ metadata, spec }) => [
      metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT],
      spec?.unschedulable ?? false,
      spec?.taints?.map(({ key }) => key).join(),
    ]);
    t.same(new Set(changed.map((each) => JSON.stringify(each))), new Set([`[null,false,"${NODE_LABEL}"]`]));
  }),
);
