import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { pino } from 'pino';
import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import type { KubeEvent } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import type { AuditEntry } from '../../kentroller/audit/trail.ts';
import { SAVINGS_CONFIG_MAP } from '../../kentroller/savings/savingsstore.ts';
import { until } from '../../kube/testing/until.ts';
import { cloudOf } from '../ground/aws/cloud.ts';
import { type Ground, up } from '../ground/ground.ts';
import { claimEnded, claimRebalance, planOf, planReaches } from '../support/claim.ts';
import { type Session, startSession } from './session.ts';
import { openStage, type Stage } from './stage.ts';

/** Commands that people type when something is stuck, and what they find: objects, events and log lines by name. */

const NAME = 'walk';
const SOON = { timeoutMs: 30_000, everyMs: 200 };
let ground: Ground;
let stage: Stage;
const lines: string[] = [];
const audit: AuditEntry[] = [];
let session: Session | undefined;

/** The API that receives the audit trail. */
const api = createServer(async (request, response) => {
  const body = await json(request).catch(() => ({ entries: [] }));
  const { entries } = body as { readonly entries: readonly AuditEntry[] };
  audit.push(...entries);
  response.end(JSON.stringify({ accepted: entries.length }));
});

const start = async (env: Readonly<Record<string, string>> = {}): Promise<void> => {
  session?.stop();
  await session?.ended;
  session = startSession({
    kubeconfig: stage.kubeconfig,
    cloud: stage.cloud,
    env: {
      ...stage.env,
      API_URL: `http://127.0.0.1:${(api.address() as AddressInfo).port}`,
      API_ALLOW_PLAIN_HTTP: 'true',
      CLUSTER_ID: 'walk',
      ...env,
    },
    log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
  });
};

t.before(async () => {
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  ground = await up({ name: 'troubleshooting', cloud: true });
  stage = await openStage(ground);
  await stage.set(NAME, 2);
  await start({ LIVE_MIGRATION: 'always', LIVE_MIGRATION_ANSWER_TIMEOUT: '30s' });
});
t.teardown(async () => {
  session?.stop();
  await session?.ended;
  stage?.close();
  await ground?.down();
  api.close();
});

const kubectl = (line: string): Promise<string> => ground.kubectl(line.split(' '));

/** kubectl describe, once its events say so: they are written in the background. */
const describe = (what: string, event: string): Promise<string> =>
  until(
    `events of ${what} tell of ${event}`,
    async () => {
      const printed = await kubectl(`describe ${what}`);
      return printed.includes(event) ? printed : undefined;
    },
    SOON,
  );

const letGo = (plan: RebalancePlan) =>
  stage.client.patch(resources.REBALANCE_PLANS, { name: plan.metadata.name }, { spec: { execute: true } });

t.test('a claim that saves too little: kubectl describe rpc says why, and what to do', async (t) => {
  const spec = { minSavingsPercentage: '99.9' };
  await claimRebalance(stage.client, { name: 'too-high', pool: NAME, spec });
  await claimEnded(stage.client, 'too-high', 60_000);
  const printed = await describe('rpc too-high', 'FailureReasonInsufficientSavings');
  t.match(printed, /State:\s+Failed/);
  t.match(printed, /Error Message:\s+The best plan saves .* lower it, or widen the scope/);
  t.match(printed, /Conditions:[\s\S]*Reason:\s+FailureReasonInsufficientSavings/);
  // kubectl sorts events by whole seconds, so two of one second come in either order.
  t.match(printed, /Events:[\s\S]*Generating/);
  t.match(printed, /Events:[\s\S]*FailureReasonInsufficientSavings/);
});

t.test('kubectl get prints the columns that people know', async (t) => {
  await claimRebalance(stage.client, { name: NAME, pool: NAME, spec: { autoExecute: false } });
  const plan = await planOf(stage.client, NAME);
  const header = async (what: string): Promise<string[]> =>
    ((await kubectl(`get ${what}`)).split('\n')[0] ?? '').split(/\s{2,}/).map((c) => c.trim());
  const plans = ['NAME', 'BEFORE', 'AFTER', 'SAVINGS%', 'STATE', 'AUTO-EXECUTED', 'AGE'];
  t.same(await header('rp'), plans);
  t.same(await header('rebalanceplans'), plans);
  t.same(await header('rpc'), ['NAME', 'STATE', 'PLANID', 'NODES', 'SAVINGS%', 'REBALANCE', 'AGE']);
  t.match(
    await kubectl(`get rpc ${NAME} --no-headers`),
    new RegExp(`^${NAME}\\s+Ready\\s+[0-9a-f]{8}\\s+2\\s+[0-9.]+\\s+${plan.metadata.name}\\s`),
  );
  t.match(
    await kubectl(`get rp ${plan.metadata.name} --no-headers`),
    /^\S+\s+[0-9.]+\s+[0-9.]+\s+[0-9.]+\s+Pending\s+false\s/,
  );
  await stage.client.create(resources.REBALANCE_PLAN_SCHEDULES, {
    metadata: { name: 'nightly' },
    spec: { schedule: '0 2 * * *', rebalancePlanClaimTemplate: { spec: {} } } as never,
  });
  t.same(await header('rps'), ['NAME', 'SCHEDULE', 'SUSPEND', 'ACTIVE', 'LAST SCHEDULE', 'AGE']);
});

t.test('a plan that waits for a live migration: the request is there to be looked at', async (t) => {
  const plan = await planOf(stage.client, NAME);
  await letGo(plan);
  const migration = await until(
    'a migration is asked for',
    async () => (await stage.client.list(resources.REBALANCE_MIGRATION_PLANS)).items[0],
    { timeoutMs: 90_000 },
  );
  const { name } = migration.metadata;
  const say = (phase: string) =>
    stage.client.patch(
      resources.REBALANCE_MIGRATION_PLANS,
      { name },
      { status: { phase } },
      { subresource: 'status' },
    );
  await say('Running');
  t.match(await kubectl('get rebalancemigrationplans'), new RegExp(`NAME\\s+PHASE\\s+AGE\\n${name}\\s`));
  t.match(await kubectl(`describe rebalancemigrationplan ${name}`), /Phase:\s+Running/);
  const printed = await describe(`rp ${plan.metadata.name}`, 'LiveMigrationInProgress');
  t.match(printed, /Nodes Deletion:[\s\S]*Status:\s+LiveMigrationCreated/);
  t.match(printed, /State:\s+Running/);
  // No provider is left, so the remaining pods are evicted.
  const fail = async (): Promise<boolean> => {
    const { items } = await stage.client.list(resources.REBALANCE_MIGRATION_PLANS);
    for (const each of items) {
      await stage.client
        .patch(
          resources.REBALANCE_MIGRATION_PLANS,
          { name: each.metadata.name },
          { status: { phase: 'Failed' } },
          { subresource: 'status' },
        )
        .catch(() => undefined);
    }
    const claim = await stage.client.get(resources.REBALANCE_PLAN_CLAIMS, { name: NAME });
    return claim.status?.completionTime !== undefined;
  };
  await until('the claim has ended', fail, { timeoutMs: 90_000, everyMs: 300 });
  t.match(await claimEnded(stage.client, NAME, 1_000), { status: { state: 'Completed' } });
});

t.test('a plan that is done: describe and events tell its story from beginning to end', async (t) => {
  const { metadata } = await planOf(stage.client, NAME);
  const printed = await describe(`rp ${metadata.name}`, 'PlanDone');
  t.match(printed, /State:\s+Done/);
  t.match(printed, /Achieved Outcome:[\s\S]*Pods Placed:\s+6/);
  t.match(printed, /Achieved Outcome:[\s\S]*Savings Cost Monthly:\s+[0-9.]+/);
  for (const section of [
    'Savings:',
    'Validated Savings:',
    'Blue Nodes:',
    'Green Nodes:',
    'Nodes Creation:',
  ]) {
    t.match(printed, section);
  }
  for (const type of [
    'Started',
    'NodesCreated',
    'SavingsValidated',
    'PinsReady',
    'NodesDeleted',
    'Finished',
  ]) {
    t.match(printed, new RegExp(`Type:\\s+${type}\\n`), `condition ${type}`);
  }
  const { items } = await stage.client.list(resources.EVENTS, {
    namespace: 'default',
    fieldSelector: `involvedObject.name=${metadata.name}`,
  });
  const firstOf = (reason: string): number =>
    items
      .toSorted((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
      .findIndex((e: KubeEvent) => e.reason === reason);
  const story = [
    'PlanStarted',
    'NodeLocked',
    'NodeClaimCreated',
    'NodeReady',
    'NodesReady',
    'SavingsValidated',
    'NodeDraining',
    'LiveMigrationCreated',
    'LiveMigrationFailed',
    'NodeClaimDeleted',
    'NodesRemoved',
    'NodeReleased',
    'PlanDone',
  ];
  const order = story.map(firstOf);
  t.notOk(order.includes(-1), `all of ${story.join(', ')}`);
  const pods = await stage.client.list(resources.EVENTS, { namespace: NAME });
  t.ok(
    pods.items.some((e) => e.reason === 'PodEvicted' && e.message?.includes(metadata.name)),
    'each pod tells which plan moved it',
  );
});

t.test('every decision and every write arrives at the API, and what was saved is kept', async (t) => {
  const has = (kind: AuditEntry['kind'], reason: string, object: string): boolean =>
    audit.some((e) => e.kind === kind && e.reason === reason && e.object.kind === object);
  await until('the last decision arrives', () => has('decision', 'PlanDone', 'RebalancePlan'), SOON);
  for (const [reason, object] of [
    ['create', 'NodeClaim'],
    ['patch', 'Node'],
    ['evict', 'Pod'],
    ['delete', 'NodeClaim'],
    ['replace', 'RebalancePlan'],
    ['replace', 'RebalancePlanClaim'],
  ] as const) {
    t.ok(has('write', reason, object), `${reason} ${object}`);
  }
  t.equal(new Set(audit.map((e) => e.id)).size, audit.length, 'none twice');
  t.ok(lines.some((line) => line.includes('"msg":"audit"') && line.includes('evict Pod')));
  const printed = await until(
    'the plan is counted',
    () => kubectl(`get configmap ${SAVINGS_CONFIG_MAP} --namespace=${INSTALL_NAMESPACE} --output=yaml`),
    SOON,
  );
  t.match(printed, /summary: 1 plans since .* save [0-9.]+ USD a month/);
});

t.test('continuous rebalancing that does nothing says why in its log', async (t) => {
  const outcome = async (env: Readonly<Record<string, string>>): Promise<string> => {
    lines.length = 0;
    await start({
      CONTINUOUS_REBALANCING_POLLING_PERIOD: '100ms',
      CONTINUOUS_REBALANCING_MIN_NODE_AGE: '1s',
      ...env,
    });
    // kubectl logs -l app=castai-kentroller | grep "continuous-rebalancing"
    const found = () => lines.find((line) => line.includes('continuous-rebalancing'));
    return until('it says so', found, SOON);
  };
  t.match(await outcome({}), 'continuous rebalancing is not enabled');
  const enabled = { CONTINUOUS_REBALANCING_ENABLED: 'true' };
  t.match(
    await outcome({ ...enabled, CONTINUOUS_REBALANCING_MIN_NODES_TO_CONSIDER: '50' }),
    /nodes are old enough, 50 are needed/,
  );
  t.match(await kubectl('kustomize manifests/base'), /app: castai-kentroller/);
});

// The last test: Karpenter remembers refused offerings for three minutes.
t.test('a plan that gets no machine: every attempt is there, and the reason', async (t) => {
  await cloudOf(ground).control.setFaults({ capacity: [{}] });
  const plan = await stage.client.create(resources.REBALANCE_PLANS, {
    metadata: { name: 'no-capacity' },
    spec: await planFor('no-capacity'),
  });
  const { name } = plan.metadata;
  await planReaches(stage.client, name, 'it failed', (p) => p.status?.completionTime !== undefined, 120_000);
  const printed = await describe(`rp ${name}`, 'FailureReasonNodeCreateFailed');
  t.match(printed, /State:\s+Failed/);
  t.match(printed, /Failure Phase:\s+Creation/);
  t.match(printed, /Failure Reason:\s+FailureReasonNodeCreateFailed/);
  t.match(printed, /Failure Message:\s+Planned node .* Allow more instance types or zones/);
  t.match(printed, /Nodes Creation:[\s\S]*Description:\s+InsufficientCapacityError/);
  t.match(printed, /Node Claim Name:\s+\S+-attempt-2/);
  const unavailable = await kubectl('get uo');
  t.match(unavailable, /NAME\s+TYPE\s+ZONE\s+CAPACITY\s+REASON\s+EXPIRES\s+AGE/);
  t.match(unavailable, 'InsufficientCapacityError');
});

/** One more machine of the pool, with two alternatives. */
const planFor = async (name: string): Promise<RebalancePlan['spec']> => {
  const done = await planOf(stage.client, NAME);
  const [first] = done.spec.nodeClaimsToAdd ?? [];
  if (!first) throw new Error('the plan added nothing');
  const { alternatives = [], ...rest } = first;
  return {
    execute: true,
    nodeClaimsToAdd: [
      { ...rest, metadata: { ...rest.metadata, name }, alternatives: alternatives.slice(0, 2) },
    ],
  };
};
