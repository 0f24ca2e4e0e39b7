import t from 'tap';
import { KENTROLLER, PREPARING_TAINT } from '../../api/labels.ts';
import type { OwnerReference, Pod } from '../../api/objects.ts';
import { PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { probePolicy } from '../../kentroller/rebalanceplan/state/webhookprobe.ts';
import { SOFT_PINS } from '../../kentroller/softpins/kind.ts';
import { steeringOf } from '../../kentroller/softpins/steering.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { paced } from '../../kube/testing/pace.ts';
import { applySoftPinsKind, removeSoftPinsKind } from '../kentroller/softpinskind.ts';
import { eventually, Scene } from '../pinner/fixture.ts';
import { owner, podOf } from './attempt.ts';
import { InstalledRights } from './installed.ts';

/** What the component soft-pins makes of new pods, and who may steer them. Whole plans: e2e/softpins.test.ts. */

const scene = new Scene('soft-pins');
const work = new Scene('soft-pins-work');
const rights = new InstalledRights(scene, [
  'components/soft-pins/policy.yaml',
  'components/soft-pins/rbac.yaml',
]);
const { client, namespace } = scene;
const OWNER = 'c0ffee00-0000-4000-8000-00000000000a';
let kentroller: KubeClient;

const entry = (uid = OWNER): string => `${work.namespace}.${uid}`;
const parameters = (name: string, owners: Readonly<Record<string, string>>) => ({
  metadata: { name: `${namespace}-${name}` },
  spec: { owners },
});

type Made = Pod & {
  readonly spec: Pod['spec'] & {
    readonly tolerations?: readonly { readonly key?: string; readonly value?: string }[];
  };
};

/** What the API server would make of a pod of this owner. */
const create = (
  o: { readonly owner?: OwnerReference; readonly in?: string; readonly spec?: object } = {},
): Promise<Made> => {
  const where = o.in ?? work.namespace;
  const ownerReferences = [o.owner ?? owner('ReplicaSet', { uid: OWNER })];
  const pod = podOf(where, 'new', { metadata: { ownerReferences }, ...(o.spec && { spec: o.spec }) });
  return client.create(PODS, pod, { dryRun: true }) as Promise<Made>;
};

const tolerated = ({ spec }: Made): readonly (string | undefined)[] =>
  (spec.tolerations ?? []).filter(({ key }) => key === PREPARING_TAINT).map(({ value }) => value);
const preferred = ({ spec }: Made) =>
  (spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
    ({ weight, preference }) => [weight, preference.matchFields?.[0]?.values?.[0] ?? 'labels'] as const,
  );

t.before(async () => {
  await scene.open();
  await work.open();
  await applySoftPinsKind(client);
  await rights.install();
  kentroller = await rights.as(KENTROLLER);
  const first = parameters('plan', { [entry()]: '100 node-a rebalance-a,60 node-b' });
  await eventually('the kind is served', async () => (await client.create(SOFT_PINS, first)) !== undefined);
  await eventually('the policy is in force', async () => preferred(await create()).length > 0, 60_000);
});
t.teardown(async () => {
  await rights.remove();
  await removeSoftPinsKind(client);
  await work.close();
  await scene.close();
});

t.test('a new pod tolerates the reservations of its nodes and prefers them, by weight', async (t) => {
  const made = await create();
  t.same(tolerated(made), ['rebalance-a']);
  t.same(preferred(made), [
    [100, 'node-a'],
    [60, 'node-b'],
  ]);
  t.equal(made.spec.nodeName, undefined);
  t.equal(made.spec.schedulingGates, undefined, 'nothing waits');
});

t.test('what a pod tolerates and prefers already stays, and is not added twice', async (t) => {
  const zone = { key: 'zone', operator: 'In', values: ['a'] };
  const name = { key: 'metadata.name', operator: 'In', values: ['node-a'] };
  const terms = [
    { weight: 7, preference: { matchExpressions: [zone] } },
    { weight: 3, preference: { matchFields: [name] } },
  ];
  const rows: readonly (readonly [
    says: string,
    spec: object,
    tolerated: readonly (string | undefined)[],
    preferred: readonly unknown[],
  ])[] = [
    [
      'a toleration of its own',
      { tolerations: [{ key: 'gpu', operator: 'Exists' }] },
      ['rebalance-a'],
      [
        [100, 'node-a'],
        [60, 'node-b'],
      ],
    ],
    [
      'one of the reservation',
      {
        tolerations: [
          { key: PREPARING_TAINT, operator: 'Equal', value: 'rebalance-a', effect: 'NoSchedule' },
        ],
      },
      ['rebalance-a'],
      [
        [100, 'node-a'],
        [60, 'node-b'],
      ],
    ],
    [
      'one of all reservations',
      { tolerations: [{ key: PREPARING_TAINT, operator: 'Exists' }] },
      [undefined],
      [
        [100, 'node-a'],
        [60, 'node-b'],
      ],
    ],
    [
      'affinity to pods',
      { affinity: { podAffinity: {} } },
      ['rebalance-a'],
      [
        [100, 'node-a'],
        [60, 'node-b'],
      ],
    ],
    [
      'empty affinity to nodes',
      { affinity: { nodeAffinity: {} } },
      ['rebalance-a'],
      [
        [100, 'node-a'],
        [60, 'node-b'],
      ],
    ],
    [
      'preferences',
      { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: terms } } },
      ['rebalance-a'],
      [
        [7, 'labels'],
        [3, 'node-a'],
        [60, 'node-b'],
      ],
    ],
  ];
  for (const [says, spec, tolerations, preferences] of rows) {
    const made = await create({ spec });
    t.same(tolerated(made), tolerations, says);
    t.same(preferred(made), preferences, says);
    const { nodeName: _, ...again } = made.spec;
    const second = await create({ spec: again });
    t.same(tolerated(second), tolerations, `${says}, evaluated again`);
    t.same(preferred(second), preferences, `${says}, evaluated again`);
  }
});

t.test('pods that no plan moves are left as they are', async (t) => {
  const rows: readonly (readonly [says: string, Parameters<typeof create>[0]])[] = [
    ['a pod with a node', { spec: { nodeName: 'node-c' } }],
    ['of another owner', { owner: owner('ReplicaSet', { uid: 'c0ffee00-0000-4000-8000-00000000000b' }) }],
    ['of a DaemonSet', { owner: owner('DaemonSet', { uid: OWNER }) }],
    [
      'of an owner that does not control it',
      { owner: { ...owner('ReplicaSet', { uid: OWNER }), controller: false } },
    ],
    ['in another namespace', { in: namespace }],
  ];
  for (const [says, o] of rows) {
    const made = await create(o);
    t.same([tolerated(made), preferred(made)], [[], []], says);
  }
});

t.test('each plan steers its pods, and one that says nonsense holds no pod up', async (t) => {
  const second = parameters('second', { [entry()]: '80 node-c rebalance-c' });
  await client.create(SOFT_PINS, second);
  await eventually('both plans steer the pod', async () => tolerated(await create()).length === 2);
  t.same(tolerated(await create()).toSorted(), ['rebalance-a', 'rebalance-c']);
  await client.delete(SOFT_PINS, { name: second.metadata.name });
  const controlled = owner('ReplicaSet', { uid: `${OWNER}f` });
  const nonsense = parameters('nonsense', { [entry(controlled.uid)]: 'much node', other: '' });
  await client.create(SOFT_PINS, nonsense);
  await eventually('the second is forgotten', async () => tolerated(await create()).length === 1);
  t.same(preferred(await create({ owner: controlled })), []);
  await client.delete(SOFT_PINS, { name: nonsense.metadata.name });
});

t.test('600 owners on 200 nodes are within what a policy may cost', async (t) => {
  const uidOf = (at: number): string => `c0ffee00-0000-4000-8001-${String(at).padStart(12, '0')}`;
  const { owners } = steeringOf(
    Array.from({ length: 600 * 200 }, (_, at) => ({
      nodeName: `ip-10-0-${at % 200}-17.us-west-2.compute.internal`,
      nodeClaim: `rebalance-${at % 200}-abcdefghij`,
      pin: {
        namespace: work.namespace,
        owner: { kind: 'ReplicaSet', name: 'owner', uid: uidOf(Math.floor(at / 200)), count: 1 + (at % 7) },
      },
    })),
    { reservationOf: (claim) => claim, taken: () => 0 },
  );
  const large = parameters('large', owners);
  await kentroller.apply(SOFT_PINS, large, { fieldManager: 'suite', force: true });
  t.equal(Object.keys(owners).length, 600);
  const last = () => create({ owner: owner('ReplicaSet', { uid: uidOf(599) }) });
  await eventually('it is read', async () => preferred(await last()).length === 8);
  t.equal(tolerated(await last()).length, 8);
  await kentroller.delete(SOFT_PINS, { name: large.metadata.name });
});

t.test('who has no right to soft pins steers nobody', async (t) => {
  const tenant = await rights.asUser('tenant', 'admin');
  await t.rejects(tenant.create(SOFT_PINS, parameters('tenant', {})), /forbidden/);
});

t.test('a probe tells whether policy and soft pins are there, and the plan takes them with it', async (t) => {
  const plan = await client.create(REBALANCE_PLANS, {
    metadata: { name: `${namespace}-plan-of-pods` },
    spec: {
      execute: false,
      podsToMigrate: [
        {
          name: 'web-1',
          namespace: work.namespace,
          srcNode: 'blue',
          dstNodeClaimName: 'green',
          owner: { kind: 'ReplicaSet', name: 'web', uid: OWNER },
        },
      ],
    },
  });
  const probe = () => probePolicy(kentroller, namespace, plan, AbortSignal.timeout(paced(10_000)));
  t.match(await probe(), { isLive: false, reason: /without a toleration/ });
  const { name, uid = '' } = plan.metadata;
  const ownerReferences = [{ apiVersion: 'autoscaling.cast.ai/v1alpha', kind: 'RebalancePlan', name, uid }];
  await kentroller.apply(
    SOFT_PINS,
    {
      metadata: { name, ownerReferences },
      spec: { owners: { [`${namespace}.${uid}`]: '1 soft-pins-probe soft-pins-probe' } },
    },
    { fieldManager: 'suite', force: true },
  );
  await eventually('the probe comes back', async () => (await probe()).isLive);
  // As after a crash that nobody cleans up after.
  await client.delete(REBALANCE_PLANS, { name });
  await eventually(
    'the soft pins are gone with their plan',
    async () => !(await client.list(SOFT_PINS)).items.some(({ metadata }) => metadata.name === name),
    60_000,
  );
});

t.test('a policy that was taken away and comes back steers pods again', async (t) => {
  await rights.remove();
  await eventually('nothing steers pods', async () => preferred(await create()).length === 0);
  await rights.install();
  const owners = { [entry(`${OWNER}c`)]: '100 node-z' };
  await client.create(SOFT_PINS, parameters('again', owners));
  const again = () => create({ owner: owner('ReplicaSet', { uid: `${OWNER}c` }) });
  await eventually('the policy is in force', async () => preferred(await again()).length > 0, 60_000);
  t.same(preferred(await again()), [[100, 'node-z']]);
});
