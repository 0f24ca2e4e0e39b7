import t from 'tap';
import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import { INSTANCE_TYPE, KARPENTER_CAPACITY_TYPE, PLANS_ONLY, SPOT, ZONE } from '../../api/labels.ts';
import { AUTOSCALER_POLICIES, NODE_POOLS, NODES, PODS, UNAVAILABLE_OFFERINGS } from '../../api/resources.ts';
import { noteUnavailable, unavailableName } from '../../kentroller/rebalanceplan/create/unavailable.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { up } from '../ground/ground.ts';
import { applyPool } from '../support/fleet.ts';
import { applyDeployment, createNamespace, podsRunning } from '../support/workload.ts';
import { openStage } from './stage.ts';

/** The Spot policy's interruption tolerance with real Karpenter: seed 002. */

const ground = await up({ name: 'kentroller-tol', cloud: true });
const stage = await openStage(ground);
const { client } = stage;
const POOL = 'tolerant';
const HOUR = 3_600_000;
const SOON = { timeoutMs: 120_000, everyMs: 300 };
const policy = { name: AUTOSCALER_POLICY };

t.teardown(async () => {
  await client.delete(AUTOSCALER_POLICIES, policy).catch(ignoreNotFound);
  await stage.clear(POOL);
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

/** The zone of the node that the pod of a Deployment runs on. */
const zoneOf = async (app: string): Promise<string | undefined> => {
  const { items } = await client.list(PODS, { namespace: POOL, labelSelector: `app=${app}` });
  const { metadata } = await client.get(NODES, { name: items[0]?.spec.nodeName ?? '' });
  t.equal(metadata.labels?.[KARPENTER_CAPACITY_TYPE], 'spot');
  return metadata.labels?.[ZONE];
};

t.test(
  'Cost efficient buys the cheapest spot, Least interrupted what was not taken back, live',
  async (t) => {
    const catalogue = await until('prices', () => stage.cloud.catalogue(), SOON);
    const [instanceType, cheapest, next] = twoZones(catalogue);
    const pool = await applyPool(client, {
      name: POOL,
      consolidateAfter: 'Never',
      requirements: [
        { key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot'] },
        { key: INSTANCE_TYPE, operator: 'In', values: [instanceType] },
      ],
    });
    // Karpenter's provisioner can't use this NodePool.
    await client.patch(
      NODE_POOLS,
      { name: pool.metadata.name },
      { metadata: { annotations: { [PLANS_ONLY]: 'true' } }, spec: { limits: { cpu: '0' } } },
    );
    await createNamespace(client, POOL);
    const offering = { instanceType, zone: cheapest, capacityType: 'spot' as const };
    const record = { ...offering, reason: 'SpotInterruptionObserved' as const };
    t.teardown(() =>
      client.delete(UNAVAILABLE_OFFERINGS, { name: unavailableName(record) }).catch(ignoreNotFound),
    );
    // Taken back an hour ago: it may be bought again, and is remembered.
    const { signal } = new AbortController();
    await noteUnavailable(client, record, undefined, Date.now() - HOUR, signal, HOUR / 2);
    const tolerate = (interruptionTolerance: 'costEfficient' | 'leastInterrupted') => ({
      enabled: true,
      unschedulablePods: { enabled: true },
      spotInstances: { enabled: true, interruptionTolerance },
    });
    // Two of these pods never fit on one machine.
    const deploy = (name: string) =>
      applyDeployment(client, {
        namespace: POOL,
        name,
        pool: POOL,
        replicas: 1,
        cpu: '2500m',
        memory: '256Mi',
        podSpec: { tolerations: [{ key: SPOT, operator: 'Exists' }] },
      });
    await client.create(AUTOSCALER_POLICIES, { metadata: policy, spec: tolerate('costEfficient') });
    await stage.play({}, async () => {
      await deploy('cheap');
      await podsRunning(client, POOL, 1, 300_000);
      t.equal(await zoneOf('cheap'), cheapest, 'the cheapest, regardless of what became of it');

      await client.patch(AUTOSCALER_POLICIES, policy, { spec: tolerate('leastInterrupted') });
      await until(
        'the policy is in force',
        async () => {
          const { status } = await client.get(AUTOSCALER_POLICIES, policy);
          const said = JSON.stringify(status);
          if (!said.includes('what was interrupted least is bought')) throw new Error(said);
          return true;
        },
        SOON,
      );
      await deploy('reliable');
      await podsRunning(client, POOL, 2, 300_000);
      t.equal(await zoneOf('reliable'), next, 'the cheapest of those that were not taken back');
    });
  },
);
