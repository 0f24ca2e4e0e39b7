import { parseArgs } from 'node:util';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { KubeObject, Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, NODES, PODS, REBALANCE_MIGRATION_PLANS, REBALANCE_PLANS } from '../../api/resources.ts';
import { executePlans } from '../../kentroller/rebalanceplan/controller.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { randomFrom } from '../../planner/search/random.ts';
import { makeNode, makePod } from '../../planner/testing/builders.ts';

/** Which plans each pod event of a large cluster enqueues, and how long finding them takes. */

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '5000' },
    pods: { type: 'string', default: '150000' },
    plans: { type: 'string', default: '3' },
    moves: { type: 'string', default: '3000' },
    events: { type: 'string', default: '20000' },
  },
});
const NODE_COUNT = Number(values.nodes);
const POD_COUNT = Number(values.pods);
const PLAN_COUNT = Number(values.plans);
const MOVES = Number(values.moves);
const EVENTS = Number(values.events);
const PODS_PER_NODE = Math.ceil(POD_COUNT / NODE_COUNT);
const PODS_PER_OWNER = 10;

const caches = {
  plans: new FakeCache(REBALANCE_PLANS),
  nodeClaims: new FakeCache(NODE_CLAIMS),
  nodes: new FakeCache(NODES),
  migrations: new FakeCache(REBALANCE_MIGRATION_PLANS),
  pods: new FakeCache(PODS),
};
// Which plans a change concerns is decided from the caches alone.
const { sources } = executePlans({ caches } as unknown as Parameters<typeof executePlans>[0]);
const found = sources.find(({ cache }) => (cache as unknown) === caches.pods);
if (!found) throw new Error('the executor watches no pods');
const source = found;

const podAt = (n: number): Pod =>
  makePod(`pod-${n}`, {
    app: `app-${Math.floor(n / PODS_PER_OWNER)}`,
    node: `node-${n % NODE_COUNT}`,
  });

for (let n = 0; n < NODE_COUNT; n += 1) {
  const { node, claim } = makeNode(`node-${n}`);
  caches.nodes.put(node);
  caches.nodeClaims.put(claim);
}
// Each plan removes the nodes after those of the plan before it, and moves their pods.
const nodesPerPlan = Math.ceil(MOVES / PODS_PER_NODE);
for (let p = 0; p < PLAN_COUNT; p += 1) {
  const nodes = Array.from({ length: nodesPerPlan }, (_, n) => p * nodesPerPlan + n);
  const pods = nodes.flatMap((node) =>
    Array.from({ length: PODS_PER_NODE }, (_, n) => podAt(node + n * NODE_COUNT)),
  );
  const plan = {
    metadata: { name: `plan-${p}`, uid: `uid-${p}`, generation: 1 },
    spec: {
      execute: true,
      nodeClaimsToDelete: nodes.map((node) => ({ nodeClaimName: `claim-node-${node}` })),
      podsToMigrate: pods.slice(0, MOVES).map(({ metadata, spec }) => ({
        namespace: 'default',
        name: metadata.name,
        srcNode: spec.nodeName,
        dstNodeClaimName: `claim-node-${NODE_COUNT - 1 - p}`,
        owner: { kind: 'ReplicaSet', name: metadata.labels?.app, uid: `rs-${metadata.labels?.app}` },
      })),
    },
    status: { state: 'Running' },
  };
  caches.plans.put(plan as unknown as RebalancePlan);
}

/** Prints what events of these pods cost and enqueue. CPU time, because other work may share the machine. */
const measure = (what: string, changed: readonly KubeObject[]): void => {
  let enqueued = 0;
  const started = process.cpuUsage();
  for (const object of changed) enqueued += [...source.keys({ type: 'update', object, old: object })].length;
  const { user, system } = process.cpuUsage(started);
  const perSecond = Math.round(changed.length / ((user + system) / 1e6));
  const passes = Math.round((1000 * enqueued) / changed.length);
  console.log(`${what}: ${perSecond} events a CPU second, ${passes} passes asked for by 1,000 events`);
};

const roll = randomFrom(1);
const changed = Array.from({ length: EVENTS }, () => podAt(Math.floor(roll() * POD_COUNT)));
const waiting = changed.map((pod): Pod => {
  const { nodeName: _, ...spec } = pod.spec;
  return { ...pod, spec };
});
console.log(`${POD_COUNT} pods on ${NODE_COUNT} nodes, ${PLAN_COUNT} running plans of ${MOVES} moves`);
measure('warm-up', changed.slice(0, 2_000));
measure('pods on nodes', changed);
measure('pods without a node', waiting);
