import { Registry } from 'prom-client';
import t from 'tap';
import { parse } from 'yaml';
import type { Features } from '../../api/features.ts';
import {
  HOSTNAME,
  INTERRUPTION_MARK,
  KARPENTER_CAPACITY_TYPE,
  PREDICTED_INTERRUPTION,
} from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import {
  CONFIG_MAPS,
  EVENTS,
  NODES,
  REBALANCE_PLAN_CLAIMS,
  UNAVAILABLE_OFFERINGS,
} from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { parse as parseOptions } from '../../kube/component/options.ts';
import { createRecorder } from '../../kube/controller/events.ts';
import { getOrUndefined, ignoreNotFound } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { machines } from '../../planner/testing/smallworld.ts';
import type { Caches } from '../caches.ts';
import { MADE_BY } from '../continuous/decide.ts';
import { options as schema } from '../options.ts';
import { policiesNow } from '../policies/settings.ts';
import { CACHE_NAMES } from '../testing/memorycaches.ts';
import { SPOT_PREDICTION } from './history.ts';
import { PlacementScores } from './placement/scores.ts';
import { predictInterruptions } from './start.ts';
import { PREDICTION_CONFIG_MAP } from './stored/record.ts';

/** Spot interruption prediction on a real API server: from an event of Karpenter's to the claim, live on and off. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'spot-prediction-test' });
const log = createLogger({ component: 'test', level: 'silent' });
const stopping = new AbortController();
const { signal } = stopping;
const SOON = { timeoutMs: 120_000, everyMs: 50 };
const NAME = `spot-${process.pid}`;
const NAMES = [`${NAME}-a`, `${NAME}-b`];
/** Of no other suite: what is remembered of it, disturbs none. */
const TYPE = `test.${process.pid}`;

const nodes = createCache({ client, log, resource: NODES, labelSelector: `suite=${NAME}` });
const claims = createCache({
  client,
  log,
  resource: REBALANCE_PLAN_CLAIMS,
  labelSelector: `${MADE_BY}=${SPOT_PREDICTION}`,
});
const unavailable = createCache({ client, log, resource: UNAVAILABLE_OFFERINGS });
const providerIdOf = (name: string): string => `aws:///us-west-2a/${name}`;
const nodeClaims: readonly NodeClaim[] = NAMES.map((name) => ({
  metadata: { name: `claim-${name}` },
  spec: { nodeClassRef: { group: 'g', kind: 'k', name: 'n' }, requirements: [] },
  status: { nodeName: name, providerID: providerIdOf(name) },
}));
const none = { list: () => [], get: () => undefined, by: () => [] };
const caches = {
  ...Object.fromEntries(CACHE_NAMES.map((name) => [name, none])),
  nodes,
  claims,
  unavailable,
  nodeClaims: {
    list: () => nodeClaims,
    by: (_: string, id: string) => nodeClaims.filter(({ status }) => status?.providerID === id),
  },
} as unknown as Caches;

/** Three types of a family as spot, of which EC2 has hardly any. */
const sold: Catalogue = {
  instanceTypes: machines.instanceTypes.map((type, n) => ({
    ...type,
    name: n === 0 ? TYPE : `test.${process.pid}-${n}`,
    offerings: type.offerings.map((each) => ({ ...each, capacityType: 'spot' as const })),
  })),
};

let features: Features = {};
const registry = new Registry();
const run = (ending: AbortSignal): Promise<void> =>
  predictInterruptions({
    cloud: { placementScores: async () => new Map([['us-west-2a', 1]]) },
    placement: new PlacementScores(),
    policies: () => policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {}),
    client,
    caches,
    catalogue: async () => sold,
    options: parseOptions(schema, { argv: ['--pod-namespace', 'default'], env: {}, name: 'test' }),
    features: () => features,
    limits: { haltNodes: 1_000, haltPercent: 100 },
    isRebalancerEnabled: () => true,
    recorder: createRecorder({ client, component: 'spot-test', log }),
    audit: { note: () => {} },
    registry,
    log,
    clock: { now: Date.now },
    signal: ending,
  });

/** An event as Karpenter's recorder writes it. */
const karpenterSays = async (reason: string, node: string): Promise<void> => {
  const { uid = '' } = (await client.get(NODES, { name: node })).metadata;
  const at = new Date().toISOString().replace(/\.\d+/, '');
  await client.create(EVENTS, {
    metadata: { name: `${node}.${reason.toLowerCase()}.${Date.now()}`, namespace: 'default' },
    involvedObject: { kind: 'Node', apiVersion: 'v1', name: node, uid },
    reason,
    message: 'Spot rebalance recommendation was triggered',
    type: 'Normal',
    source: { component: 'karpenter' },
    firstTimestamp: at,
    lastTimestamp: at,
  } as never);
};
const nodeNow = (name: string): Promise<Node> => client.get(NODES, { name });
const labelOf = async (name: string) => (await nodeNow(name)).metadata.labels?.[PREDICTED_INTERRUPTION];
const ours = async () =>
  (await client.list(REBALANCE_PLAN_CLAIMS, { labelSelector: `${MADE_BY}=${SPOT_PREDICTION}` })).items.filter(
    ({ spec }) => spec.scope?.nodeNames?.some((name) => NAMES.includes(name)),
  );

t.before(async () => {
  for (const name of NAMES) {
    await client.create(NODES, {
      metadata: {
        name,
        labels: {
          suite: NAME,
          [HOSTNAME]: name,
          [KARPENTER_CAPACITY_TYPE]: 'spot',
          'node.kubernetes.io/instance-type': TYPE,
          'topology.kubernetes.io/zone': 'us-west-2a',
        },
      },
      spec: { providerID: providerIdOf(name) },
      status: { conditions: [{ type: 'Ready', status: 'True' }] },
    });
  }
  for (const cache of [nodes, claims, unavailable]) {
    cache.start(signal);
    await cache.synced(signal);
  }
  await until('the cache shows the nodes', () => nodes.size === 2, SOON);
});
t.teardown(async () => {
  for (const { metadata } of await ours())
    await client.delete(REBALANCE_PLAN_CLAIMS, { name: metadata.name }).catch(ignoreNotFound);
  for (const name of NAMES) await client.delete(NODES, { name }).catch(ignoreNotFound);
  for (const { metadata, spec } of unavailable.list()) {
    if (spec.instanceType === TYPE)
      await client.delete(UNAVAILABLE_OFFERINGS, { name: metadata.name }).catch(ignoreNotFound);
  }
  await client
    .delete(CONFIG_MAPS, { name: PREDICTION_CONFIG_MAP, namespace: 'default' })
    .catch(ignoreNotFound);
  stopping.abort();
  client.close();
});

// Before any event of Karpenter's is there.
t.test('spot placement scores: on and off, live, and the lowest of all puts no node at risk', async (t) => {
  const ending = new AbortController();
  const running = run(ending.signal);
  const conditionIs = (text: string, pattern: RegExp) =>
    until(
      `the condition says ${text}`,
      async () => {
        const map = await getOrUndefined(
          client.get(CONFIG_MAPS, { name: PREDICTION_CONFIG_MAP, namespace: 'default' }),
        );
        const all: { readonly type: string; readonly reason: string; readonly message: string }[] = parse(
          map?.data?.['conditions.yaml'] ?? '[]',
        );
        const found = all.find(({ type }) => type === 'placement-scores');
        const said = `${found?.reason}: ${found?.message}`;
        if (!pattern.test(said)) throw new Error(said);
        return map?.data;
      },
      SOON,
    );
  const on = { enabled: true, pollIntervalSeconds: 1, interruptionThreshold: 0.05 };
  try {
    features = { spotInterruptionPrediction: on };
    await conditionIs('that it is off', /NotConfigured/);
    features = { spotInterruptionPrediction: { ...on, placementScoreFamilies: 1 } };
    const data = await conditionIs(
      'that it is read',
      /^Scored: EC2 scores the spot capacity of test by zone/,
    );
    t.match(data?.outcome, /^0 of 2 spot nodes are at risk/);
    t.match(await registry.metrics(), /spot_placement_score\{family="test",zone="us-west-2a"\} 1/);
    features = { spotInterruptionPrediction: on };
    await conditionIs('that it is off again', /NotConfigured/);
    t.notMatch(await registry.metrics(), /spot_placement_score\{/);
    for (const name of NAMES) t.equal(await labelOf(name), undefined);
  } finally {
    features = {};
    ending.abort();
    await running;
  }
});

t.test(
  'a rebalance recommendation of Karpenter: label, event, memory and claim; off, and all is undone',
  async (t) => {
    const [a = '', b = ''] = NAMES;
    const ending = new AbortController();
    const running = run(ending.signal);
    try {
      await karpenterSays('SpotRebalanceRecommendation', a);
      t.equal(await labelOf(a), undefined, 'nothing is done while it is off');
      features = { spotInterruptionPrediction: { enabled: true, pollIntervalSeconds: 1 } };
      const [claim] = await until(
        'a claim is made',
        async () => {
          const found = await ours();
          return found.length > 0 && found;
        },
        SOON,
      );
      t.match(claim?.spec, { scope: { nodeNames: [a] }, autoExecute: true });
      t.equal(await labelOf(a), 'true');
      t.equal(await labelOf(b), undefined);
      const fieldSelector = 'reason=SpotInterruptionPredicted';
      await until(
        'kubectl get events --field-selector reason=SpotInterruptionPredicted shows the node',
        async () => {
          const { items } = await client.list(EVENTS, { namespace: 'default', fieldSelector });
          return items.find(({ involvedObject: about }) => about?.kind === 'Node' && about.name === a);
        },
        SOON,
      );
      t.match(unavailable.list().find(({ spec }) => spec.instanceType === TYPE)?.spec, {
        capacityType: 'spot',
        zone: 'us-west-2a',
        reason: 'SpotInterruptionPredicted',
      });
      await until(
        'the conditions of the sources are written',
        async () => {
          const map = await getOrUndefined(
            client.get(CONFIG_MAPS, { name: PREDICTION_CONFIG_MAP, namespace: 'default' }),
          );
          const text = map?.data?.['conditions.yaml'] ?? '';
          if (!/karpenter-events[^-]*"?True/.test(text) || !/NotConfigured/.test(text)) throw new Error(text);
          return true;
        },
        SOON,
      );
      await karpenterSays('SpotRebalanceRecommendation', b);
      await until('the other is labelled', async () => (await labelOf(b)) === 'true', SOON);
      t.equal((await ours()).length, 1, 'and waits: one of two may be replaced at once');
      features = { spotInterruptionPrediction: { enabled: false } };
      await until(
        'labels, marks and the claim are gone',
        async () => {
          const found = await Promise.all(NAMES.map(nodeNow));
          const left = found.flatMap(({ metadata }) => [
            metadata.labels?.[PREDICTED_INTERRUPTION] ?? [],
            metadata.annotations?.[INTERRUPTION_MARK] ?? [],
          ]);
          const open = await ours();
          if (left.flat().length + open.length > 0) throw new Error(JSON.stringify([left, open]));
          return true;
        },
        SOON,
      );
    } finally {
      features = {};
      ending.abort();
      await running;
    }
  },
);
