import http from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import { KARPENTER_CAPACITY_TYPE, KARPENTER_NODEPOOL, PREDICTED_INTERRUPTION } from '../../api/labels.ts';
import { EVENTS, NODE_CLAIMS, NODES, REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import { until } from '../../kube/testing/until.ts';
import { up } from '../ground/ground.ts';
import { applyPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { applyDeployment, createNamespace, podsRunning } from '../support/workload.ts';
import { openStage } from './stage.ts';

/** Spot interruption prediction beside Karpenter, by the model of an ML API: seed 003. */

const ground = await up({ name: 'kentroller-spot', cloud: true });
const stage = await openStage(ground);
const { client } = stage;
const POOL = 'predicted';
const NAMES = [`${POOL}-1`, `${POOL}-2`];
const MODEL = 'spot-v1';
const MADE_BY = 'autoscaling.cast.ai/made-by=spot-prediction';
const SOON = { timeoutMs: 180_000, everyMs: 500 };

/** The nodes that the model calls at risk, all others being below the threshold; and the models that were asked for. */
const risks = new Set<string>();
const models = new Set<string>();
const api = http.createServer(async (request, response) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  const { model, nodes } = JSON.parse(text) as { model: string; nodes: readonly { name: string }[] };
  models.add(model);
  const predictions = nodes.map(({ name }) => ({ node: name, probability: risks.has(name) ? 0.85 : 0.75 }));
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ predictions }));
});
await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;

t.teardown(async () => {
  api.closeAllConnections();
  api.close();
  await stage.clear(POOL);
  stage.close();
  await ground.down();
});

const claims = async (): Promise<readonly RebalancePlanClaim[]> =>
  (await client.list(REBALANCE_PLAN_CLAIMS, { labelSelector: MADE_BY })).items;
const claimFor = (node: string, state: RegExp): Promise<unknown> =>
  until(
    `a claim for the node is ${state}`,
    async () => {
      const found = (await claims()).filter(({ spec }) => spec.scope?.nodeNames?.includes(node));
      if (!found.some(({ status }) => state.test(status?.state ?? '')))
        throw new Error(JSON.stringify(found.map(({ status }) => status ?? {})));
      return true;
    },
    SOON,
  );
const eventOf = (node: string, reason: string, message: RegExp): Promise<unknown> =>
  until(
    `event ${reason} on the node`,
    async () => {
      const fieldSelector = `involvedObject.name=${node},reason=${reason}`;
      const { items } = await client.list(EVENTS, { fieldSelector });
      return items.some((each) => message.test(each.message ?? ''));
    },
    SOON,
  );

t.test('the model names a node at risk: threshold, label, claim, event and cooldown', async (t) => {
  const pool = await applyPool(client, {
    name: POOL,
    consolidateAfter: 'Never',
    requirements: [
      { key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot'] },
      { key: 'karpenter.k8s.aws/instance-generation', operator: 'Gt', values: ['4'] },
      { key: 'karpenter.k8s.aws/instance-cpu', operator: 'In', values: ['4', '8'] },
    ],
  });
  for (const name of NAMES)
    await orderMachine(client, pool, {
      name,
      instanceType: 'm5.xlarge',
      zone: 'us-west-2a',
      capacityType: 'spot',
    });
  await machinesReady(client, NAMES, 180_000);
  await createNamespace(client, POOL);
  const app = { name: 'app', pool: POOL, replicas: 2, cpu: '2500m', memory: '256Mi' };
  await applyDeployment(client, { namespace: POOL, ...app });
  await podsRunning(client, POOL, 2, 120_000);
  const nodes = await Promise.all(
    NAMES.map(async (name) => (await client.get(NODE_CLAIMS, { name })).status?.nodeName ?? ''),
  );
  const [risky = '', safe = ''] = nodes;
  risks.add(risky);
  const env = {
    SPOT_INTERRUPTION_PREDICTION_ENABLED: 'true',
    SPOT_INTERRUPTION_PREDICTION_API_URL: url,
    SPOT_INTERRUPTION_PREDICTION_MODEL_NAME: MODEL,
    SPOT_INTERRUPTION_PREDICTION_POLL_INTERVAL: '1s',
    SPOT_INTERRUPTION_PREDICTION_INTERRUPTION_THRESHOLD: '0.8',
  };
  const labelOf = async (name: string) =>
    (await client.get(NODES, { name })).metadata.labels?.[PREDICTED_INTERRUPTION];

  await stage.play(env, async () => {
    await eventOf(risky, 'SpotInterruptionPredicted', /^Model spot-v1 gives 85 %/);
    await claimFor(risky, /^Completed$/);
    const { items } = await client.list(NODE_CLAIMS, { labelSelector: `${KARPENTER_NODEPOOL}=${POOL}` });
    const left = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    t.notOk(
      left.some(({ metadata }) => metadata.name === NAMES[0]),
      'the machine at risk goes',
    );
    t.ok(
      left.some(({ metadata }) => metadata.name === NAMES[1]),
      'the other one stays',
    );
    await podsRunning(client, POOL, 2, 120_000);
    t.equal(await labelOf(safe), undefined, 'below the threshold no node is at risk');
    t.same([...models], [MODEL]);

    // The successor is at risk next, and stays for twice the 15 minutes of the cooldown.
    const successor = left.find(({ metadata }) => !NAMES.includes(metadata.name))?.status?.nodeName ?? '';
    risks.add(successor);
    await eventOf(successor, 'SpotInterruptionPredicted', /^Model spot-v1/);
    await eventOf(successor, 'SpotReplacementDeferred', /replaced lately: not before/);
    t.equal(await labelOf(successor), 'true');
    t.equal((await claims()).length, 1, 'nobody replaces it');
  });
});
