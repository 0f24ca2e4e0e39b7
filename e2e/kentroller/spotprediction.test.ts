import http from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { RebalancePlanClaim } from '../../api/kinds/rebalanceplanclaim.ts';
import {
  INSTANCE_TYPE,
  INTERRUPTION_MARK,
  KARPENTER_CAPACITY_TYPE,
  KARPENTER_NODEPOOL,
  PREDICTED_INTERRUPTION,
  ZONE,
} from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import {
  EVENTS,
  NODE_CLAIMS,
  NODES,
  REBALANCE_PLAN_CLAIMS,
  UNAVAILABLE_OFFERINGS,
} from '../../api/resources.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { predictionQueueNameOf } from '../ground/aws/services/sqs.ts';
import { up } from '../ground/ground.ts';
import { suspend } from '../ground/suspend.ts';
import { applyPool, machinesReady, orderMachine } from '../support/fleet.ts';
import { applyDeployment, createNamespace, podsRunning } from '../support/workload.ts';
import { sourceSaid } from './predictionsource.ts';
import { openStage } from './stage.ts';

/** Spot interruption prediction beside Karpenter, by the model of an ML API and by a queue of our own: seed 003. */

const ground = await up({ name: 'kentroller-spot', cloud: true });
const stage = await openStage(ground);
const { client } = stage;
const POOL = 'predicted';
const NAMES = [`${POOL}-1`, `${POOL}-2`];
const NOTICED = 'noticed';
const OFFERING = { instanceType: 'm5.xlarge', zone: 'us-west-2a', capacityType: 'spot' as const };
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
  for (const pool of [POOL, NOTICED]) await stage.clear(pool);
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

/** Spot machines of a NodePool of their own, each with one of the pods; resolves to their nodes. */
const spotMachines = async (name: string, machines: readonly string[]): Promise<readonly string[]> => {
  const pool = await applyPool(client, {
    name,
    consolidateAfter: 'Never',
    requirements: [
      { key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot'] },
      { key: 'karpenter.k8s.aws/instance-generation', operator: 'Gt', values: ['4'] },
      { key: 'karpenter.k8s.aws/instance-cpu', operator: 'In', values: ['4', '8'] },
    ],
  });
  for (const machine of machines) await orderMachine(client, pool, { name: machine, ...OFFERING });
  const ready = await machinesReady(client, machines, 180_000);
  await createNamespace(client, name);
  const app = { name: 'app', pool: name, replicas: machines.length, cpu: '2500m', memory: '256Mi' };
  await applyDeployment(client, { namespace: name, ...app });
  await podsRunning(client, name, machines.length, 120_000);
  return machines.map(
    (machine) => ready.find(({ metadata }) => metadata.name === machine)?.status?.nodeName ?? '',
  );
};

t.test('the model names a node at risk: threshold, label, claim, event and cooldown', async (t) => {
  const nodes = await spotMachines(POOL, NAMES);
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

/** Prediction by the queue alone, with one machine and its pod; the act has Karpenter back when it wants to. */
const withQueue = async (
  act: (o: {
    readonly claim: string;
    readonly node: string;
    readonly instanceId: string;
    readonly letKarpenterGo: () => void;
  }) => Promise<void>,
): Promise<void> => {
  for (const pool of [POOL, NOTICED]) await stage.clear(pool);
  const claim = `${NOTICED}-1`;
  const [node = ''] = await spotMachines(NOTICED, [claim]);
  const { providerID = '' } = (await client.get(NODE_CLAIMS, { name: claim })).status ?? {};
  const startKarpenter = await suspend(ground, 'karpenter');
  let isAway = true;
  const letKarpenterGo = (): void => {
    if (isAway) startKarpenter();
    isAway = false;
  };
  const env = {
    SPOT_INTERRUPTION_PREDICTION_ENABLED: 'true',
    SPOT_INTERRUPTION_PREDICTION_QUEUE_URL: `${cloudOf(ground).endpoint}/000000000000/${predictionQueueNameOf('ground')}`,
    SPOT_INTERRUPTION_PREDICTION_POLL_INTERVAL: '1s',
  };
  try {
    await stage.play(env, () =>
      act({ claim, node, instanceId: providerID.split('/').at(-1) ?? '', letKarpenterGo }),
    );
  } finally {
    letKarpenterGo();
  }
};

/** Waits until a node is marked with what the queue alone can have said of it. */
const marked = (name: string, kind: string): Promise<Node> =>
  until(
    `the node is marked with ${kind}`,
    async () => {
      const node = await client.get(NODES, { name });
      const { labels, annotations } = node.metadata;
      if (
        labels?.[PREDICTED_INTERRUPTION] === 'true' &&
        annotations?.[INTERRUPTION_MARK]?.includes(`"${kind}"`)
      )
        return node;
      throw new Error(JSON.stringify([labels?.[PREDICTED_INTERRUPTION], annotations?.[INTERRUPTION_MARK]]));
    },
    SOON,
  );

t.test('a recommendation in our queue, while Karpenter is away, ends with the node replaced', (t) =>
  withQueue(async ({ claim, node, instanceId, letKarpenterGo }) => {
    await cloudOf(ground).control.recommend(instanceId);
    await marked(node, 'rebalance-recommendation');
    await eventOf(node, 'SpotInterruptionPredicted', /./);
    await sourceSaid(client, 'interruption-queue', /^Receiving/, SOON);
    letKarpenterGo();
    await claimFor(node, /^Completed$/);
    t.equal(await getOrUndefined(client.get(NODE_CLAIMS, { name: claim })), undefined, 'its machine is gone');
    const [pod] = await podsRunning(client, NOTICED, 1, 120_000);
    t.not(pod?.spec.nodeName, node);
  }),
);

t.test('an instance that is taken back is replaced, and its pod runs on spot of another offering', (t) =>
  withQueue(async ({ node, instanceId, letKarpenterGo }) => {
    await cloudOf(ground).control.interrupt(instanceId, 60_000);
    await marked(node, 'interruption');
    letKarpenterGo();
    const [pod] = await until(
      'the pod runs elsewhere',
      async () => {
        const pods = await podsRunning(client, NOTICED, 1, 120_000);
        if (pods.some(({ spec }) => spec.nodeName === node)) throw new Error(`it is on ${node} yet`);
        return pods;
      },
      SOON,
    );
    const { metadata } = await client.get(NODES, { name: pod?.spec.nodeName ?? '' });
    t.equal(metadata.labels?.[KARPENTER_CAPACITY_TYPE], 'spot');
    t.notSame(
      [metadata.labels?.[INSTANCE_TYPE], metadata.labels?.[ZONE]],
      [OFFERING.instanceType, OFFERING.zone],
      'what was taken back is not bought again',
    );
    const { items } = await client.list(UNAVAILABLE_OFFERINGS);
    t.ok(
      items.some(({ spec }) => spec.instanceType === OFFERING.instanceType && spec.zone === OFFERING.zone),
      'it is remembered',
    );
  }),
);
