import t from 'tap';
import {
  AUTOSCALER_POLICY,
  type AutoscalerPolicy,
  type AutoscalerPolicySpec,
  autoscalerPolicy,
} from '../../api/kinds/autoscalerpolicy.ts';
import { AUTOSCALER_POLICIES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import { until } from '../../kube/testing/until.ts';
import { crashingClient } from '../testing/crash.ts';
import { type PolicyRecord, recordPolicies } from './record.ts';
import { policiesNow } from './settings.ts';

const log = createLogger({ component: 'policies-test', level: 'silent' });
const ref = { name: AUTOSCALER_POLICY };
const SOON = { timeoutMs: 30_000, everyMs: 5 };
const SPEC: AutoscalerPolicySpec = {
  enabled: true,
  unschedulablePods: { enabled: true },
  spotInstances: { enabled: true },
  nodeDownscaler: { enabled: true, emptyNodes: { enabled: true }, evictor: { enabled: false } },
};

interface World {
  readonly api: MemoryApi;
  readonly client: KubeClient;
  readonly clock: { at: number };
  readonly writes: () => number;
  readonly object: () => AutoscalerPolicy;
  start(client?: KubeClient): PolicyRecord & { stop(): Promise<void> };
}

const world = (spec: AutoscalerPolicySpec = SPEC): World => {
  const clock = { at: Date.parse('2026-11-30T08:00:00Z') };
  const api = new MemoryApi({ now: () => clock.at });
  api.create(AUTOSCALER_POLICIES, { metadata: ref, spec });
  const memory = memoryClient(api, async (_, serve) => serve());
  let writes = 0;
  const client = new Proxy(memory, {
    get: (target, property) => {
      if (property === 'patch') writes += 1;
      return Reflect.get(target, property);
    },
  });
  const object = (): AutoscalerPolicy => api.get(AUTOSCALER_POLICIES, ref);
  return {
    api,
    client,
    clock,
    writes: () => writes,
    object,
    start: (as = client) => {
      const ending = new AbortController();
      const record = recordPolicies({
        client: as,
        policies: {
          object,
          now: () => policiesNow({ object: object(), absence: undefined, hasSynced: true }, {}),
        },
        log,
        now: () => clock.at,
        signal: ending.signal,
        lookMs: 1,
      });
      return {
        ...record,
        stop: () => {
          ending.abort();
          return record.ended;
        },
      };
    },
  };
};

/** The status once it says that; the clock goes on meanwhile. */
const said = (w: World, what: RegExp) =>
  until(
    `the status says ${what}`,
    async () => {
      w.clock.at += 11_000;
      const { status } = w.object();
      if (!what.test(JSON.stringify(status))) throw new Error(`it says ${JSON.stringify(status)}`);
      return status;
    },
    SOON,
  );

t.test('the status says of each policy whether it is in force, and why it does nothing', async (t) => {
  const w = world();
  const record = w.start();
  record.note('unschedulablePods', 'Idle', 'no pod is unschedulable');
  const status = await said(w, /no pod is unschedulable/);
  t.match(status, {
    active: 'unschedulablePods,spotInstances,emptyNodes',
    policies: {
      clusterLimits: { state: 'Off', message: 'clusterLimits.enabled is not true.' },
      unschedulablePods: { state: 'Idle', message: 'no pod is unschedulable' },
      spotInstances: { state: 'Held', message: 'Nothing acts on it in this version.' },
      evictor: { state: 'Off', message: /nodeDownscaler\.evictor\.enabled/ },
    },
    conditions: [{ type: 'Active', status: 'True', reason: 'Enabled' }],
  });
  t.ok(autoscalerPolicy.safeParse(w.object()).success, 'the API server would take it');
  await record.stop();
});

t.test('the status says what each policy did last, and when, also after a restart', async (t) => {
  const w = world();
  const first = w.start();
  first.did('emptyNodes', 'deleted NodeClaim a, whose node was empty');
  const { lastActionTime } = (await said(w, /deleted NodeClaim a/))?.policies?.emptyNodes ?? {};
  await first.stop();
  const second = w.start();
  second.note('emptyNodes', 'Idle', 'no node is empty');
  t.match(await said(w, /no node is empty/), {
    lastAction: 'emptyNodes: deleted NodeClaim a, whose node was empty',
    lastActionTime,
    policies: { emptyNodes: { lastAction: 'deleted NodeClaim a, whose node was empty', lastActionTime } },
  });
  await second.stop();
});

t.test('the status is written on a change alone, and no more often than every ten seconds', async (t) => {
  const w = world();
  const record = w.start();
  record.note('emptyNodes', 'Idle', 'first');
  await until('it is written', async () => w.object().status, SOON);
  const before = w.writes();
  for (let n = 0; n < 50; n++) {
    record.note('emptyNodes', 'Idle', `${n} nodes are empty`);
    w.clock.at += 100;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(w.writes() - before <= 1, `${w.writes() - before} writes in 5 s`);
  await said(w, /49 nodes are empty/);
  const quiet = w.writes();
  for (let n = 0; n < 50; n++) {
    record.note('emptyNodes', 'Idle', '49 nodes are empty');
    w.clock.at += 11_000;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.equal(w.writes(), quiet, 'nothing new is not written');
  await record.stop();
});

t.test('a text that is too long or comes from outside is cut to what the API server takes', async (t) => {
  const w = world();
  const record = w.start();
  record.did('emptyNodes', `deleted \u001b[31m${'x'.repeat(10_000)}`);
  const status = await said(w, /deleted/);
  t.ok(autoscalerPolicy.safeParse(w.object()).success);
  t.notOk(status?.policies?.emptyNodes?.lastAction?.includes('\u001b'), 'no terminal sees the escape');
  await record.stop();
});

t.test('a process that dies at a write leaves a status that the next one goes on from', async (t) => {
  const w = world();
  for (const moment of ['before', 'after'] as const) {
    let isDead = false;
    let writes = 0;
    const dying = w.start(
      crashingClient(
        w.client,
        (_, at) => {
          if (at === 'before') writes += 1;
          return writes === 2 && at === moment;
        },
        () => {
          isDead = true;
        },
      ),
    );
    await until('it wrote once', async () => writes > 0, SOON);
    dying.did('emptyNodes', `deleted ${moment}`);
    const died = async (): Promise<boolean> => {
      w.clock.at += 11_000;
      return isDead;
    };
    await until('it died', died, SOON);
    await dying.stop();
    const next = w.start();
    next.note('emptyNodes', 'Idle', `on after ${moment}`);
    const status = await said(w, new RegExp(`on after ${moment}`));
    const expected = moment === 'after' ? 'deleted after' : undefined;
    t.equal(status?.policies?.emptyNodes?.lastAction, expected, moment);
    await next.stop();
  }
});

t.test('an object that is gone or was made anew is written to without what the old one said', async (t) => {
  const w = world();
  const record = w.start();
  record.note('emptyNodes', 'Idle', 'no node is empty');
  await said(w, /no node is empty/);
  w.api.delete(AUTOSCALER_POLICIES, ref);
  w.api.create(AUTOSCALER_POLICIES, { metadata: ref, spec: { enabled: false } });
  t.match(await said(w, /Disabled/), {
    active: 'none',
    policies: { emptyNodes: { state: 'Off', message: 'enabled is not true.' } },
  });
  await record.stop();
});
