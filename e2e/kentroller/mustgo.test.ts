import t from 'tap';
import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_CAPACITY_TYPE, SPOT, SPOT_FALLBACK } from '../../api/labels.ts';
import { isFinished } from '../../api/plans.ts';
import { AUTOSCALER_POLICIES, NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { windowOf } from '../../kentroller/mustgo/expiry.ts';
import { getOrUndefined, ignoreNotFound } from '../../kube/ignore.ts';
import { paced } from '../../kube/testing/pace.ts';
import { until } from '../../kube/testing/until.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { up } from '../ground/ground.ts';
import { applyPool, dropPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { applyDeployment, createNamespace, deleteNamespace, podsRunning } from '../support/workload.ts';
import { startSession } from './session.ts';
import { openStage } from './stage.ts';

/**
 * Nodes that must go, with real Karpenter: one is replaced before it expires, and at the same time an on-demand node that
 * stands in for spot goes back to spot once the cloud has some.
 */

const ground = await up({ name: 'kentroller-go', cloud: true });
const stage = await openStage(ground);
const { client } = stage;
const OLD = 'expires';
const SPOTS = 'spots';
const REPLICAS = 3;
/** Long enough for a replacement in order before its end, at the machine's pace. */
const LIFE_MS = Math.max(6 * 60_000, paced(3 * 60_000));
const SOON = { timeoutMs: 120_000, everyMs: 300 };

t.teardown(async () => {
  await client.delete(AUTOSCALER_POLICIES, { name: AUTOSCALER_POLICY }).catch(ignoreNotFound);
  await cloudOf(ground).control.clearFaults();
  for (const name of [OLD, SPOTS]) {
    await deleteNamespace(client, name);
    await stage.clear(name);
  }
  stage.close();
  await ground.down();
});

/** A machine of a NodePool, and pods on it. */
const machineWithPods = async (
  name: string,
  o: { readonly expireAfter?: string; readonly capacityTypes?: readonly string[]; readonly podSpec?: object },
): Promise<void> => {
  const values = o.capacityTypes ?? ['on-demand'];
  const pool = await applyPool(client, {
    name,
    consolidateAfter: 'Never',
    requirements: [
      { key: KARPENTER_CAPACITY_TYPE, operator: 'In', values },
      { key: 'karpenter.k8s.aws/instance-generation', operator: 'Gt', values: ['4'] },
      { key: 'karpenter.k8s.aws/instance-cpu', operator: 'In', values: ['2', '4', '8', '16'] },
    ],
  });
  const { expireAfter } = o;
  await orderMachine(client, pool, {
    name: `${name}-1`,
    instanceType: 'm5.xlarge',
    zone: 'us-west-2a',
    ...(expireAfter !== undefined && { expireAfter }),
  });
  await machinesReady(client, [`${name}-1`], 180_000);
  await createNamespace(client, name);
  await applyDeployment(client, {
    namespace: name,
    name: 'app',
    pool: name,
    replicas: REPLICAS,
    cpu: '300m',
    memory: '256Mi',
    ...(o.podSpec && { podSpec: o.podSpec }),
  });
  await podsRunning(client, name, REPLICAS, 120_000);
};

/** The plans that remove a NodeClaim. */
const plansFor = async (claim: string): Promise<readonly RebalancePlan[]> =>
  (await client.list(REBALANCE_PLANS)).items.filter(({ spec }) =>
    spec.nodeClaimsToDelete?.some(({ nodeClaimName }) => nodeClaimName === claim),
  );

const isGone = async (claim: string): Promise<boolean> =>
  (await getOrUndefined(client.get(NODE_CLAIMS, { name: claim }))) === undefined;

/** Waits, and says in the end what the plans of a claim came to. */
const waitFor = (what: string, claim: string, isSo: () => Promise<boolean>, timeoutMs: number) =>
  until(
    what,
    async () => {
      if (await isSo()) return true;
      const plans = (await plansFor(claim)).map(({ status }) => status?.conditions ?? status?.state);
      throw new Error(`its plans are ${JSON.stringify(plans)}`);
    },
    { timeoutMs, everyMs: 500 },
  );

t.test('a node is replaced before it expires, and a spot fallback goes back to spot', async (t) => {
  await machineWithPods(OLD, { expireAfter: `${Math.ceil(LIFE_MS / 1000)}s` });
  await machineWithPods(SPOTS, {
    capacityTypes: ['spot', 'on-demand'],
    podSpec: { tolerations: [{ key: SPOT, operator: 'Exists' }] },
  });
  const { control } = cloudOf(ground);
  await control.setFaults({ capacity: [{ capacityType: 'spot' }] });
  await client.create(AUTOSCALER_POLICIES, {
    metadata: { name: AUTOSCALER_POLICY },
    spec: {
      enabled: true,
      spotInstances: { enabled: true, spotBackups: { enabled: true, spotBackupRestoreRateSeconds: 60 } },
    },
  });
  const expiring = await client.get(NODE_CLAIMS, { name: `${OLD}-1` });
  const window = windowOf(expiring, 2 * 3_600_000);
  if (!window) throw new Error('the claim never expires');
  const session = startSession({
    kubeconfig: stage.kubeconfig,
    cloud: stage.cloud,
    env: { ...stage.env, EXPIRY_REPLACEMENT_ENABLED: 'true' },
  });
  try {
    // 1. No spot: the fallback is labelled, tried in vain, and stays.
    const { status } = await client.get(NODE_CLAIMS, { name: `${SPOTS}-1` });
    await until(
      'the fallback is labelled',
      async () =>
        (await client.get(NODES, { name: status?.nodeName ?? '' })).metadata.labels?.[SPOT_FALLBACK] ===
        'true',
      SOON,
    );
    await waitFor(
      'spot is tried in vain',
      `${SPOTS}-1`,
      async () => (await plansFor(`${SPOTS}-1`)).some((plan) => plan.status?.state === 'Failed'),
      240_000,
    );
    t.notOk(await isGone(`${SPOTS}-1`), 'its pods stay where they are');
    await control.clearFaults();

    // 2. The other node goes before its time.
    await waitFor('the node is replaced', `${OLD}-1`, () => isGone(`${OLD}-1`), LIFE_MS + 120_000);
    const [plan] = await until(
      'its plan has ended',
      async () => {
        const plans = await plansFor(`${OLD}-1`);
        return plans.length > 0 && plans.every(isFinished) ? plans : undefined;
      },
      SOON,
    );
    // With the warning that no pinner is connected.
    t.match(plan?.status?.state, /^Done/, JSON.stringify(plan?.status?.conditions));
    const gone = plan?.status?.nodesDeletion?.[`${OLD}-1`]?.events.at(-1);
    t.ok(Date.parse(gone?.timestamp ?? '') < window.endsAt, `it went at ${gone?.timestamp}`);
    const outcome = plan?.status?.achievedOutcome;
    t.same(
      [outcome?.podsPlanned, outcome?.podsPlaced],
      [REPLICAS, REPLICAS],
      'all pods are where they were planned',
    );
    await podsRunning(client, OLD, REPLICAS, 60_000);

    // 3. Spot is back: the pods end on it.
    await waitFor('the fallback goes', `${SPOTS}-1`, () => isGone(`${SPOTS}-1`), 300_000);
    const pods = await podsRunning(client, SPOTS, REPLICAS, 60_000);
    const types = new Set<string | undefined>();
    for (const { spec } of pods) {
      const node = await client.get(NODES, { name: spec.nodeName ?? '' });
      types.add(node.metadata.labels?.[KARPENTER_CAPACITY_TYPE]);
    }
    t.same([...types], ['spot']);
  } finally {
    session.stop();
    await session.ended;
  }
  await dropPool(client, OLD);
});
