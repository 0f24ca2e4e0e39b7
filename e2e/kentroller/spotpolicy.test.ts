import t from 'tap';
import { AUTOSCALER_POLICY, type AutoscalerPolicySpec } from '../../api/kinds/autoscalerpolicy.ts';
import {
  INSTANCE_TYPE,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  PLANS_ONLY,
  SPOT,
  SPOT_FALLBACK,
  ZONE,
} from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import {
  AUTOSCALER_POLICIES,
  NODE_CLAIMS,
  NODE_POOLS,
  NODES,
  PODS,
  UNAVAILABLE_OFFERINGS,
} from '../../api/resources.ts';
import { noteUnavailable, unavailableName } from '../../kentroller/rebalanceplan/create/unavailable.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { up } from '../ground/ground.ts';
import { applyPool } from '../support/fleet.ts';
import { applyDeployment, createNamespace, podsRunning } from '../support/workload.ts';
import { openStage } from './stage.ts';

/** The Spot policy with real Karpenter: interruption tolerance, diversity, and a fallback to on-demand (seed 002). */

const ground = await up({ name: 'kentroller-tol', cloud: true });
const stage = await openStage(ground);
const { client } = stage;
const TOLERANT = 'tolerant';
const FALLEN = 'fallen';
const HOUR = 3_600_000;
const SOON = { timeoutMs: 120_000, everyMs: 300 };
const LONG_MS = 300_000;
const policy = { name: AUTOSCALER_POLICY };

t.teardown(async () => {
  await client.delete(AUTOSCALER_POLICIES, policy).catch(ignoreNotFound);
  for (const pool of [TOLERANT, FALLEN]) await stage.clear(pool);
  stage.close();
  await ground.down();
});

/** A type whose second zone is dearer as spot than its cheapest one, by less than what stands in may cost more. */
const twoZones = ({ instanceTypes }: Catalogue): readonly [type: string, cheapest: string, next: string] => {
  for (const { name, offerings } of instanceTypes) {
    if (!/^[mcr][56]i?\.xlarge$/.test(name)) continue;
    const [first, second] = offerings
      .filter(({ capacityType }) => capacityType === 'spot')
      .toSorted((a, b) => a.price - b.price);
    if (first && second && second.price > first.price * 1.02 && second.price < first.price * 1.4)
      return [name, first.zone, second.zone];
  }
  throw new Error('no type has two zones with spot at about the same price');
};
const catalogue = await until('prices', () => stage.cloud.catalogue(), SOON);
const [instanceType, cheapest, next] = twoZones(catalogue);

/** A NodePool that Karpenter's provisioner can't use, and a namespace of its name. */
const poolForPlans = async (name: string, capacityTypes: readonly string[]): Promise<void> => {
  await applyPool(client, {
    name,
    consolidateAfter: 'Never',
    requirements: [
      { key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: [...capacityTypes] },
      { key: INSTANCE_TYPE, operator: 'In', values: [instanceType] },
    ],
  });
  await client.patch(
    NODE_POOLS,
    { name },
    { metadata: { annotations: { [PLANS_ONLY]: 'true' } }, spec: { limits: { cpu: '0' } } },
  );
  await createNamespace(client, name);
};

/** Pods that ask for spot, of which two never fit on one machine. */
const deploy = (pool: string, name: string, replicas = 1): Promise<unknown> =>
  applyDeployment(client, {
    namespace: pool,
    name,
    pool,
    replicas,
    cpu: '2500m',
    memory: '256Mi',
    podSpec: { tolerations: [{ key: SPOT, operator: 'Exists' }] },
  });

/** The nodes that the pods of a Deployment run on. */
const nodesOf = async (pool: string, app: string): Promise<readonly Node[]> => {
  const { items } = await client.list(PODS, { namespace: pool, labelSelector: `app=${app}` });
  return Promise.all(items.map(({ spec }) => client.get(NODES, { name: spec.nodeName ?? '' })));
};
const labelsOf = (nodes: readonly Node[], key: string): readonly (string | undefined)[] =>
  nodes.map(({ metadata }) => metadata.labels?.[key]).toSorted();

/** Sets the Spot policy, and waits until kentroller goes by it. */
const setSpot = async (spotInstances: AutoscalerPolicySpec['spotInstances']): Promise<void> => {
  const { metadata } = await client.apply(
    AUTOSCALER_POLICIES,
    { metadata: policy, spec: { enabled: true, unschedulablePods: { enabled: true }, spotInstances } },
    { fieldManager: 'e2e', force: true },
  );
  await until(
    'the policy is in force',
    async () => {
      const { status } = await client.get(AUTOSCALER_POLICIES, policy);
      if (status?.observedGeneration !== metadata.generation) throw new Error(JSON.stringify(status));
      return true;
    },
    SOON,
  );
};

t.test(
  'Cost efficient buys the cheapest spot, Least interrupted what was not taken back, live',
  async (t) => {
    await poolForPlans(TOLERANT, ['spot']);
    const record = {
      instanceType,
      zone: cheapest,
      capacityType: 'spot' as const,
      reason: 'SpotInterruptionObserved' as const,
    };
    t.teardown(() =>
      client.delete(UNAVAILABLE_OFFERINGS, { name: unavailableName(record) }).catch(ignoreNotFound),
    );
    // Taken back an hour ago: it may be bought again, and is remembered.
    const { signal } = new AbortController();
    await noteUnavailable(client, record, undefined, Date.now() - HOUR, signal, HOUR / 2);
    await stage.play({}, async () => {
      await setSpot({ enabled: true, interruptionTolerance: 'costEfficient' });
      await deploy(TOLERANT, 'cheap');
      await podsRunning(client, TOLERANT, 1, LONG_MS);
      const cheap = await nodesOf(TOLERANT, 'cheap');
      t.same(labelsOf(cheap, ZONE), [cheapest], 'the cheapest, regardless of what became of it');

      await setSpot({ enabled: true, interruptionTolerance: 'leastInterrupted' });
      await deploy(TOLERANT, 'reliable');
      await podsRunning(client, TOLERANT, 2, LONG_MS);
      const reliable = await nodesOf(TOLERANT, 'reliable');
      t.same(labelsOf(reliable, ZONE), [next], 'the cheapest of those that were not taken back');
      t.same(labelsOf([...cheap, ...reliable], KARPENTER_CAPACITY_TYPE), ['spot', 'spot']);
    });
  },
);

t.test('with diversity a workload is in several spot pools, none dearer than its limit, live', async (t) => {
  const diverse = (spotDiversityPriceIncreaseLimitPercent: number) =>
    setSpot({ enabled: true, spotDiversityEnabled: true, spotDiversityPriceIncreaseLimitPercent });
  await stage.play({}, async () => {
    await diverse(1);
    const before = (await client.list(PODS, { namespace: TOLERANT })).items.length;
    await deploy(TOLERANT, 'near', 2);
    await podsRunning(client, TOLERANT, before + 2, LONG_MS);
    const near = await nodesOf(TOLERANT, 'near');
    t.same(labelsOf(near, ZONE), [cheapest, cheapest], 'another pool would cost more than 1 % more');

    await diverse(60);
    await deploy(TOLERANT, 'spread', 2);
    await podsRunning(client, TOLERANT, before + 4, LONG_MS);
    const spread = await nodesOf(TOLERANT, 'spread');
    t.equal(new Set(labelsOf(spread, ZONE)).size, 2, 'its two nodes are in two pools');
    t.same(labelsOf([...near, ...spread], KARPENTER_CAPACITY_TYPE), Array(4).fill('spot'));
  });
});

t.test(
  'where the cloud has no spot, pods that ask for it get an on-demand node that is to go back',
  async (t) => {
    await poolForPlans(FALLEN, ['spot', 'on-demand']);
    await cloudOf(ground).control.setFaults({ capacity: [{ capacityType: 'spot' }] });
    await stage.play({}, async () => {
      await setSpot({ enabled: true, spotBackups: { enabled: true, spotBackupRestoreRateSeconds: 1_800 } });
      await deploy(FALLEN, 'app');
      await podsRunning(client, FALLEN, 1, LONG_MS);
      const [node] = await nodesOf(FALLEN, 'app');
      t.equal(node?.metadata.labels?.[KARPENTER_CAPACITY_TYPE], 'on-demand');
      const { items } = await client.list(NODE_CLAIMS, { labelSelector: `${KARPENTER_NODEPOOL}=${FALLEN}` });
      t.equal(items.length, 1, 'one machine was bought');
      await until(
        'the node is labelled as a fallback',
        async () =>
          (await client.get(NODES, { name: node?.metadata.name ?? '' })).metadata.labels?.[SPOT_FALLBACK] ===
          'true',
        SOON,
      );
    });
  },
);
