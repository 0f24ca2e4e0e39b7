import t from 'tap';
import * as labels from '../../../api/labels.ts';
import { NODES } from '../../../api/resources.ts';
import * as make from '../../testing/builders.ts';
import { type Looks, nodesOnServer } from '../../testing/nodesonserver.ts';

/** Undo equals do: what a plan writes to a node and takes back, on a real API server. */

const { client, user, createNode, take: takeFor } = nodesOnServer('nodes', process.env.KUBECONFIG);

/** What of a node a plan may change; the controllers of the API server add taints of their own. */
const looksOf = async (name: string) => {
  const { metadata, spec } = await client.get(NODES, { name });
  const ours = (key: string): boolean => /cast\.ai|karpenter\.sh/.test(key);
  const pick = (all: Readonly<Record<string, string>> = {}) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => ours(key)));
  return {
    labels: pick(metadata.labels),
    annotations: pick(metadata.annotations),
    unschedulable: spec?.unschedulable ?? false,
    taints: (spec?.taints ?? [])
      .filter(({ key }) => !key.startsWith('node.kubernetes.io/'))
      .map((x) => x.key),
  };
};

const PLAN = make.plan({ nodeClaimsToDelete: [{ nodeClaimName: 'blue' }] });
const why = { reason: 'r', message: 'm' };
const LOCK = { kind: 'lock', ...why };
const CLOSE = { kind: 'close', ...why };
const CORDON = { kind: 'cordon', ...why };
const UNCORDON = { kind: 'uncordon', drainFailed: false, ...why };
const UNLOCK = { kind: 'unlock', ...why };
const take = (node: string, steps: readonly object[], plan = PLAN) => takeFor(node, steps, plan);

const PRESENT: readonly (readonly [string, Looks])[] = [
  ['nothing of a user', {}],
  ["a user's cordon", { spec: { unschedulable: true } }],
  ["a user's taint", { spec: { taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }] } }],
  ["a user's do-not-disrupt", { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' } }],
  [
    "a user's do-not-disrupt of another value",
    { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'false' } },
  ],
  ["a user's drain", { labels: { [labels.DRAINING]: 'manual' }, spec: { unschedulable: true } }],
];
for (const [what, looks] of PRESENT) {
  t.test(
    `a node with ${what} looks as before once a plan has locked, cordoned and given it back`,
    async (t) => {
      const node = await createNode(looks);
      const before = await looksOf(node);
      await take(node, [LOCK, CORDON]);
      t.match(await looksOf(node), { unschedulable: true, labels: { [labels.DRAINING]: 'rebalancing' } });
      await take(node, [UNCORDON, UNLOCK]);
      t.same(await looksOf(node), before);
    },
  );
  t.test(`a node with ${what} looks as before though each write was done twice`, async (t) => {
    const node = await createNode(looks);
    const before = await looksOf(node);
    await take(node, [LOCK, LOCK, CLOSE, CLOSE, CORDON, CORDON, UNCORDON, UNCORDON, UNLOCK, UNLOCK]);
    t.same(await looksOf(node), before);
  });
}

const merge = (name: string, body: object) => user.patch(NODES, { name }, body);

/** What the user does while the plan has the node, and what is left of it afterwards. */
const MEANWHILE: readonly (readonly [string, (name: string) => Promise<unknown>, object])[] = [
  [
    'do-not-disrupt that a user takes off and puts on again stays',
    async (name) => {
      await merge(name, { metadata: { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: null } } });
      await merge(name, { metadata: { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' } } });
    },
    { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' } },
  ],
  [
    'do-not-disrupt that a user applies stays',
    (name) =>
      user.apply(
        NODES,
        { metadata: { name, annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' } } },
        { fieldManager: 'gitops' },
      ),
    { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' } },
  ],
  [
    'another value that a user gives do-not-disrupt stays',
    (name) => merge(name, { metadata: { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'false' } } }),
    { annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'false' } },
  ],
  [
    'a taint that a user adds stays',
    (name) => merge(name, { spec: { taints: [{ key: 'team', value: 'a', effect: 'NoSchedule' }] } }),
    { taints: ['team'] },
  ],
  [
    'a cordon that a user makes anew stays',
    async (name) => {
      await merge(name, { spec: { unschedulable: null } });
      await merge(name, { spec: { unschedulable: true } });
    },
    { unschedulable: true },
  ],
  [
    'a reason for draining that a user writes stays',
    (name) => merge(name, { metadata: { labels: { [labels.DRAINING]: 'manual' } } }),
    { labels: { [labels.DRAINING]: 'manual' } },
  ],
];
for (const [name, meanwhile, expected] of MEANWHILE) {
  t.test(name, async (t) => {
    const node = await createNode();
    await take(node, [LOCK, CLOSE, CORDON]);
    await meanwhile(node);
    await take(node, [UNCORDON, UNLOCK]);
    const nothing = { labels: {}, annotations: {}, unschedulable: false, taints: [] };
    t.same(await looksOf(node), { ...nothing, ...expected });
  });
}

t.test("a user's cordon that the user takes back while the node is drained does not come back", async (t) => {
  const node = await createNode({ spec: { unschedulable: true } });
  await take(node, [LOCK, CORDON]);
  await user.patch(NODES, { name: node }, { spec: { unschedulable: null } });
  await take(node, [CORDON, UNCORDON, UNLOCK]);
  t.match(await looksOf(node), { labels: {}, unschedulable: false });
});

const RESERVED = {
  annotations: make.reservedBy(make.MARK),
  spec: {
    taints: [
      { key: labels.PREPARING_TAINT, value: 'true', effect: 'NoSchedule' },
      { key: 'team', value: 'a', effect: 'NoSchedule' },
    ],
  },
} satisfies Looks;
const RELEASE = { kind: 'release', claim: 'no-such-claim', keeps: false, ...why };

t.test("an added node loses the plan's reservation and keeps a user's taint", async (t) => {
  const node = await createNode(RESERVED);
  await take(node, [RELEASE, RELEASE]);
  t.same(await looksOf(node), { labels: {}, annotations: {}, unschedulable: false, taints: ['team'] });
});

t.test('do-not-disrupt that a user puts on an added node stays', async (t) => {
  const node = await createNode(RESERVED);
  const annotations = { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' };
  await user.apply(NODES, { metadata: { name: node, annotations } }, { fieldManager: 'gitops' });
  await take(node, [RELEASE]);
  t.same((await looksOf(node)).annotations, annotations);
});

t.test('do-not-disrupt that the NodePool asks for stays on an added node', async (t) => {
  const node = await createNode(RESERVED);
  await take(node, [{ ...RELEASE, keeps: true }]);
  t.match(await looksOf(node), { taints: ['team'], annotations: RESERVED.annotations });
});

t.test('lock and cordon of another plan stay, though it has the same name', async (t) => {
  const node = await createNode();
  const later = { ...PLAN, metadata: { ...PLAN.metadata, uid: 'a-later-uid' } };
  await take(node, [LOCK, CORDON], later);
  const before = await looksOf(node);
  await take(node, [UNCORDON, UNLOCK]);
  t.same(await looksOf(node), before);
});

t.test('what was there before a plan that no longer exists is there after the next one', async (t) => {
  const node = await createNode({
    labels: { [labels.DRAINING]: 'manual' },
    annotations: { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' },
    spec: { unschedulable: true },
  });
  const before = await looksOf(node);
  const dead = { ...PLAN, metadata: { ...PLAN.metadata, name: 'dead', uid: 'dead-uid' } };
  await take(node, [LOCK, CORDON], dead);
  await take(node, [LOCK, CORDON, UNCORDON, UNLOCK]);
  t.same(await looksOf(node), before);
});

t.test('a node that is only closed is opened again without a trace', async (t) => {
  const node = await createNode();
  const before = await looksOf(node);
  await take(node, [CLOSE]);
  t.match(await looksOf(node), { unschedulable: true, labels: {} });
  await take(node, [UNCORDON]);
  t.same(await looksOf(node), before);
});

t.test('writes that meet those of others are done again', async (t) => {
  const node = await createNode();
  await take(node, [LOCK, CORDON]);
  const busy = Array.from({ length: 3 }, (_, i) =>
    merge(node, { metadata: { labels: { busy: String(i) } } }),
  );
  await Promise.all([take(node, [UNCORDON, UNLOCK]), ...busy]);
  t.same(await looksOf(node), { labels: {}, annotations: {}, unschedulable: false, taints: [] });
});
