import t from 'tap';
import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import { EVICTOR_CONFIG } from '../../api/kinds/evictorconfig.ts';
import { CANCEL, KENTROLLER } from '../../api/labels.ts';
import type { KubeObject } from '../../api/objects.ts';
import {
  AUTOSCALER_POLICIES,
  REBALANCE_PLAN_CLAIMS as CLAIMS,
  EVICTOR_CONFIGS,
  REBALANCE_PLANS as PLANS,
  type Resource,
  REBALANCE_PLAN_SCHEDULES as SCHEDULES,
  UNAVAILABLE_OFFERINGS,
} from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isForbidden, isNotFound } from '../../kube/errors.ts';
import { until } from '../../kube/testing/until.ts';
import { Scene } from '../pinner/fixture.ts';
import { InstalledRights } from './installed.ts';

/** What people of each role can and can't do, asked of the API server as users who have only that role. */

const scene = new Scene('rights-users');
const rights = new InstalledRights(scene);
const { client, namespace } = scene;
const dryRun = { dryRun: true };
const SOON = { timeoutMs: 30_000 };
const made: { resource: Resource<KubeObject>; name: string }[] = [];

type Act = (as: KubeClient) => Promise<unknown>;
const claim = (spec: object) => ({ metadata: { name: `${namespace}-asked` }, spec });
const schedule = (autoExecute: boolean) => ({
  metadata: { name: `${namespace}-nightly` },
  spec: {
    schedule: '0 3 * * *',
    suspend: true,
    rebalancePlanClaimTemplate: { spec: { autoExecute } },
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 3,
    preserveHistory: false,
  },
});
const evictor = { metadata: { name: EVICTOR_CONFIG }, spec: { enabled: true } };
const policy = { metadata: { name: AUTOSCALER_POLICY }, spec: { enabled: true } };
const plan = { metadata: { name: `${namespace}-plan` }, spec: { execute: false } };
const cancel = { metadata: { annotations: { [CANCEL]: 'true' } } };
const named = (name: string) => ({ name: `${namespace}-${name}` });

const ACTS: Readonly<Record<string, Act>> = {
  'reads plans': (as) => as.list(PLANS, {}),
  'reads claims': (as) => as.list(CLAIMS, {}),
  'reads schedules': (as) => as.list(SCHEDULES, {}),
  'reads what could not be bought': (as) => as.list(UNAVAILABLE_OFFERINGS, {}),
  'asks for a plan': (as) => as.create(CLAIMS, claim({ autoExecute: false }), dryRun),
  'asks for a plan that executes itself': (as) => as.create(CLAIMS, claim({ autoExecute: true }), dryRun),
  'makes a schedule': (as) => as.create(SCHEDULES, schedule(false), dryRun),
  'makes a schedule that executes by itself': (as) => as.create(SCHEDULES, schedule(true), dryRun),
  'lets a schedule execute by itself': (as) =>
    as.patch(
      SCHEDULES,
      named('by-hand'),
      { spec: { rebalancePlanClaimTemplate: { spec: { autoExecute: true } } } },
      dryRun,
    ),
  'suspends a schedule that executes by itself': (as) =>
    as.patch(SCHEDULES, named('by-itself'), { spec: { suspend: true } }, dryRun),
  'resumes a schedule that executes by itself': (as) =>
    as.patch(SCHEDULES, named('by-itself'), { spec: { suspend: false } }, dryRun),
  'executes a plan': (as) => as.patch(PLANS, named('shown'), { spec: { execute: true } }, dryRun),
  'cancels a plan': (as) => as.patch(PLANS, named('shown'), cancel, dryRun),
  'cancels a claim': (as) => as.patch(CLAIMS, named('waiting'), cancel, dryRun),
  'deletes a plan': (as) => as.delete(PLANS, { name: `${namespace}-gone` }),
  'writes a plan of its own': (as) => as.create(PLANS, plan, dryRun),
  'writes the status of a plan': (as) =>
    as.patch(PLANS, named('shown'), { status: { specHash: '' } }, { ...dryRun, subresource: 'status' }),
  'writes the status of a claim': (as) =>
    as.patch(CLAIMS, named('waiting'), { status: { planId: '' } }, { ...dryRun, subresource: 'status' }),
  'reads the settings of the evictor': (as) => as.list(EVICTOR_CONFIGS, {}),
  'turns the evictor on': (as) => as.create(EVICTOR_CONFIGS, evictor, dryRun),
  'writes what the evictor did': (as) =>
    as.patch(EVICTOR_CONFIGS, { name: EVICTOR_CONFIG }, { status: {} }, { ...dryRun, subresource: 'status' }),
  'reads the autoscaling policies': (as) => as.list(AUTOSCALER_POLICIES, {}),
  'turns an autoscaling policy on': (as) => as.create(AUTOSCALER_POLICIES, policy, dryRun),
  'writes what the autoscaling policies did': (as) =>
    as.patch(
      AUTOSCALER_POLICIES,
      { name: AUTOSCALER_POLICY },
      { status: {} },
      { ...dryRun, subresource: 'status' },
    ),
  'deletes what could not be bought': (as) => as.delete(UNAVAILABLE_OFFERINGS, { name: 'none' }),
};

const READS = [
  'reads plans',
  'reads claims',
  'reads schedules',
  'reads what could not be bought',
  'reads the settings of the evictor',
  'reads the autoscaling policies',
];
const ASKS = [
  ...READS,
  'asks for a plan',
  'makes a schedule',
  'suspends a schedule that executes by itself',
  'cancels a claim',
];
const OPERATES = [
  ...READS,
  'lets a schedule execute by itself',
  'suspends a schedule that executes by itself',
  'resumes a schedule that executes by itself',
  'executes a plan',
  'cancels a plan',
  'cancels a claim',
  'deletes a plan',
  'turns the evictor on',
  'turns an autoscaling policy on',
];
const EXECUTES = [
  ...ASKS,
  ...OPERATES,
  'asks for a plan that executes itself',
  'makes a schedule that executes by itself',
];
const VIEWER = 'precision-packer-viewer';
const REQUESTER = 'precision-packer-requester';
const OPERATOR = 'precision-packer-operator';

const USERS: Readonly<Record<string, readonly [readonly string[], readonly string[]]>> = {
  none: [[], []],
  viewer: [[VIEWER], READS],
  requester: [[REQUESTER], ASKS],
  operator: [[OPERATOR], OPERATES],
  'requester-and-operator': [[REQUESTER, OPERATOR], EXECUTES],
};

/** What passes for a user: all but what is forbidden, by RBAC or by policy. */
const passingOf = async (as: KubeClient): Promise<readonly string[]> => {
  const passing: string[] = [];
  for (const [act, attempt] of Object.entries(ACTS)) {
    const isAllowed = await attempt(as).then(
      () => true,
      (error: unknown) => {
        if (isForbidden(error)) return false;
        if (isNotFound(error)) return true;
        throw error;
      },
    );
    if (isAllowed) passing.push(act);
  }
  return passing;
};

const create = async <T extends KubeObject>(resource: Resource<T>, object: T): Promise<void> => {
  await client.create(resource, object);
  made.push({ resource: resource as unknown as Resource<KubeObject>, name: object.metadata.name });
};

t.before(async () => {
  await scene.open();
  await rights.install();
  await create(SCHEDULES, { ...schedule(false), metadata: named('by-hand') });
  await create(SCHEDULES, { ...schedule(true), metadata: named('by-itself') });
  await create(CLAIMS, { ...claim({ autoExecute: false }), metadata: named('waiting') } as never);
  await create(PLANS, { ...plan, metadata: named('shown') });
});
t.teardown(async () => {
  for (const { resource, name } of made) await client.delete(resource, { name }).catch(() => {});
  await rights.remove();
  await scene.close();
});

for (const [user, [roles, expected]] of Object.entries(USERS)) {
  t.test(`what one with the role ${user} can do, and nothing else`, async (t) => {
    const as = await rights.asUser(`${namespace}-${user}`, ...roles.map((role) => rights.nameOf(role)));
    const sorted = [...new Set(expected)].sort();
    // Roles and policies take a moment to be known.
    let passing: readonly string[] = [];
    await until(
      `the rights of ${user}`,
      async () => {
        passing = [...(await passingOf(as))].sort();
        return JSON.stringify(passing) === JSON.stringify(sorted);
      },
      SOON,
    ).catch((error: Error) => t.comment(error.message));
    t.same(passing, sorted);
  });
}

t.test('who views the whole cluster sees plans, and who edits it can not execute them', async (t) => {
  for (const role of ['view', 'edit', 'admin']) {
    const as = await rights.asUser(`${namespace}-${role}`, role);
    await until(`${role} reads plans`, async () => (await passingOf(as)).length > 0, SOON);
    t.same([...(await passingOf(as))].sort(), [...READS].sort(), role);
  }
});

t.test('kentroller makes the claims of schedules that execute by themselves', async (t) => {
  const kentroller = await rights.as(KENTROLLER);
  await t.resolves(kentroller.create(CLAIMS, claim({ autoExecute: true }), dryRun));
});
