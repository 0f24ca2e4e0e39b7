import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { ConfigMap } from '../api/objects.ts';
import {
  CONFIG_MAPS,
  REBALANCE_PLAN_CLAIMS,
  REBALANCE_PLAN_SCHEDULES,
  SECRETS,
  UNAVAILABLE_OFFERINGS,
} from '../api/resources.ts';
import { connect } from '../kube/client/client.ts';
import { getOrUndefined, ignoreNotFound } from '../kube/ignore.ts';
import { until } from '../kube/testing/until.ts';
import { attach } from './ground/ground.ts';

/** What the installed components write seldom, with their own rights: no other suite on a whole cluster comes by here. */

const OURS = 'castai-agent';
const WITHIN = { timeoutMs: 120_000, everyMs: 500 } as const;
const name = `rare-${randomUUID().slice(0, 8)}`;
const API = { apiVersion: 'autoscaling.cast.ai/v1alpha' } as const;

const ground = attach(process.env.GROUND_NAME ?? '');
const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'precision-packer-e2e' });
t.teardown(() => client.close());

t.test('a schedule makes claims and deletes those beyond its history', async (t) => {
  t.teardown(() => client.delete(REBALANCE_PLAN_SCHEDULES, { name }).catch(ignoreNotFound));
  await client.create(REBALANCE_PLAN_SCHEDULES, {
    ...API,
    kind: 'RebalancePlanSchedule',
    metadata: { name },
    spec: {
      schedule: '@every 5s',
      suspend: false,
      preserveHistory: false,
      successfulJobsHistoryLimit: 0,
      failedJobsHistoryLimit: 0,
      // No node has this name, so each claim ends at once.
      rebalancePlanClaimTemplate: { spec: { autoExecute: false, scope: { nodeNames: [name] } } },
    },
  });
  const claims = async (): Promise<readonly string[]> =>
    (await client.list(REBALANCE_PLAN_CLAIMS)).items
      .map(({ metadata }) => metadata.name)
      .filter((claim) => claim.startsWith(name));
  const [first] = await until(
    'a claim of the schedule',
    async () => {
      const found = await claims();
      return found.length > 0 && found;
    },
    WITHIN,
  );
  await until(`${first} is gone again`, async () => !(await claims()).includes(first ?? ''), WITHIN);
  const { status } = await client.get(REBALANCE_PLAN_SCHEDULES, { name });
  t.ok(status?.lastScheduleTime, 'its status says when it last ran');
});

t.test('a record of an unavailable offering goes when its time has come', async (t) => {
  t.teardown(() => client.delete(UNAVAILABLE_OFFERINGS, { name }).catch(ignoreNotFound));
  await client.create(UNAVAILABLE_OFFERINGS, {
    ...API,
    kind: 'UnavailableOffering',
    metadata: { name },
    spec: { instanceType: 'm5.large', capacityType: 'spot', reason: 'InsufficientCapacityError' },
  });
  const status = { attempts: 1, cleanupAfter: new Date(0).toISOString() };
  await client.patch(UNAVAILABLE_OFFERINGS, { name }, { status }, { subresource: 'status' });
  const read = () => getOrUndefined(client.get(UNAVAILABLE_OFFERINGS, { name }));
  await until('the record is gone', async () => (await read()) === undefined, WITHIN);
  t.pass('kentroller has deleted it');
});

t.test('features that a user sets are recorded for the next leader', async (t) => {
  const ref = { name, namespace: OURS };
  t.teardown(() => client.delete(CONFIG_MAPS, ref).catch(ignoreNotFound));
  const map: ConfigMap = {
    metadata: { ...ref, labels: { 'autoscaling.cast.ai/features': 'true' } },
    data: { 'rebalancer.enabled': 'true' },
  };
  await client.create(CONFIG_MAPS, map);
  const record = { name: 'castai-kentroller-features', namespace: OURS };
  const recorded = await until(
    'the record names the ConfigMap',
    async () => {
      const found = await getOrUndefined(client.get(CONFIG_MAPS, record));
      return found?.data?.['accepted.json']?.includes(name) && found;
    },
    WITHIN,
  );
  t.match(recorded.data?.['effective.yaml'], /rebalancer/);
});

t.test("the webhook's Secret is made again when somebody deletes it", async (t) => {
  const ref = { name: 'castai-pod-pinner-webhook-cert', namespace: OURS };
  const before = await client.get(SECRETS, ref);
  await client.delete(SECRETS, ref);
  const made = await until(
    'the Secret is there again, filled',
    async () => {
      const found = await getOrUndefined(client.get(SECRETS, ref));
      return (
        found?.metadata.uid !== before.metadata.uid && Object.keys(found?.data ?? {}).length > 0 && found
      );
    },
    WITHIN,
  );
  t.same(Object.keys(made.data ?? {}).sort(), Object.keys(before.data ?? {}).sort());
});
