import t, { type Test } from 'tap';
import {
  CORDONED_BEFORE,
  CORDONED_BY,
  DRAINING,
  JOIN_DEADLINE,
  KENTROLLER,
  KARPENTER_DO_NOT_DISRUPT as LOCK,
  LOCKED_BY,
  NODE_CLAIM,
  OPEN_TO_DAEMONSETS,
  POD_PINNER as PINNER,
  PLACEHOLDER,
  PREPARING_TAINT,
  UNSCHEDULABLE,
} from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isConflict } from '../../kube/errors.ts';
import { eventually, joinAs, Scene } from '../pinner/fixture.ts';
import { isRefused, makeNode, type Outcome, outcomeOf } from './attempt.ts';
import { InstalledRights } from './installed.ts';

/** What a component of ours that was taken over can do to nodes. */

const scene = new Scene('rights-nodes');
const rights = new InstalledRights(scene);
const { client } = scene;
const accounts = new Map<string, KubeClient>();
const as = (account: string): KubeClient => {
  const found = accounts.get(account);
  if (!found) throw new Error(`no client for ${account}`);
  return found;
};

const [joined, cordoned, drained, coming, locked] = ['joined', 'cordoned', 'drained', 'coming', 'locked'].map(
  (name) => scene.nodeName(name),
) as [string, string, string, string, string];
const MARK = 'plan/uid';
const PLACEHOLDER_MARKS = {
  labels: { [PLACEHOLDER]: 'true' },
  annotations: { [NODE_CLAIM]: 'claim', [JOIN_DEADLINE]: '2030-01-01T00:00:00Z' },
};

const patch = (account: string, name: string, body: object): Promise<unknown> =>
  as(account).patch(NODES, { name }, body, { dryRun: true });
const remove = (account: string, name: string) => as(account).delete(NODES, { name }, { dryRun: true });

t.before(async () => {
  await scene.open();
  await rights.install();
  for (const account of [KENTROLLER, PINNER]) accounts.set(account, await rights.as(account));
  const theirs = {
    taints: [{ key: 'example.com/theirs', value: 'x', effect: 'NoSchedule' }],
    providerID: 'p:///1',
  };
  await makeNode(client, joined, { spec: theirs, metadata: { name: joined, labels: { team: 'a' } } });
  await makeNode(client, cordoned, { spec: { unschedulable: true } });
  await makeNode(client, drained, {
    spec: { unschedulable: true },
    metadata: {
      name: drained,
      labels: { [DRAINING]: 'rebalancing' },
      annotations: { [CORDONED_BY]: MARK, [CORDONED_BEFORE]: '{}' },
    },
  });
  await makeNode(client, locked, {
    metadata: { name: locked, annotations: { [LOCKED_BY]: MARK, [LOCK]: 'true' } },
  });
  await makeNode(client, coming, {
    metadata: { name: coming, ...PLACEHOLDER_MARKS },
    spec: { providerID: 'p:///2' },
  });
  for (const name of [joined, cordoned, drained, locked]) await joinAs(client, name);
  const label = { metadata: { labels: { team: 'b' } } };
  await eventually('the policies are in force', () => isRefused(patch(KENTROLLER, joined, label)));
});
t.teardown(async () => {
  await rights.remove();
  await scene.close();
});

type Change = readonly [sentence: string, account: string, node: string, body: object, outcome: Outcome];

interface Body {
  readonly metadata?: object;
  readonly spec?: { readonly taints?: readonly object[] };
}

/** Taints of a body that is allowed are those of ours: Kubernetes taints nodes without a kubelet as time goes by. */
const amongOthers = async (account: string, name: string, body: Body): Promise<unknown> => {
  if (!body.spec?.taints) return patch(account, name, body);
  const { metadata, spec } = await client.get(NODES, { name });
  const others = (spec?.taints ?? []).filter(({ key }) => key !== PREPARING_TAINT && key !== UNSCHEDULABLE);
  return patch(account, name, {
    metadata: { ...body.metadata, resourceVersion: metadata.resourceVersion },
    spec: { ...body.spec, taints: [...others, ...body.spec.taints] },
  });
};

const check = async (test: Test, changes: readonly Change[]): Promise<void> => {
  for (const [sentence, account, node, body, outcome] of changes) {
    const attempt = (): Promise<unknown> =>
      outcome === 'allowed' ? amongOthers(account, node, body) : patch(account, node, body);
    // Somebody else may write the node between look and write.
    const found = await eventually(sentence, () =>
      outcomeOf(attempt()).catch((error: unknown) => {
        if (isConflict(error)) return undefined;
        throw error;
      }),
    );
    test.equal(found, outcome, `${sentence}, by ${account}: ${outcome}`);
  }
};

const labelled = (labels: object): object => ({ metadata: { labels } });
const annotated = (annotations: object): object => ({ metadata: { annotations } });
const tainted = (...taints: readonly object[]): object => ({ spec: { taints } });
const PREDICTED = { 'autoscaling.cast.ai/predicted-interruption': 'true' };
const THEIRS = { key: 'example.com/theirs', value: 'x', effect: 'NoSchedule' };
const RESERVED = { key: PREPARING_TAINT, effect: 'NoSchedule' };
const REMOVED = { ...RESERVED, key: 'autoscaling.cast.ai/removing' };

t.test('a component that was taken over relabels no nodes', (t) =>
  check(t, [
    ['a label is changed', KENTROLLER, joined, labelled({ team: 'b' }), 'refused'],
    ['a label is changed', PINNER, joined, labelled({ team: 'b' }), 'refused'],
    ['a label is removed', KENTROLLER, joined, labelled({ team: null }), 'refused'],
    [
      'a node is called a control plane',
      KENTROLLER,
      joined,
      labelled({ 'node-role.kubernetes.io/control-plane': '' }),
      'refused',
    ],
    [
      'a node is called a control plane',
      PINNER,
      joined,
      labelled({ 'node-role.kubernetes.io/control-plane': '' }),
      'refused',
    ],
    [
      'a node that has joined becomes a placeholder',
      PINNER,
      joined,
      { metadata: PLACEHOLDER_MARKS },
      'refused',
    ],
    ['an annotation is written', KENTROLLER, joined, annotated({ 'example.com/a': 'x' }), 'refused'],
    ['a stranger’s lock is put on', KENTROLLER, joined, annotated({ [LOCK]: 'true' }), 'refused'],
    [
      'a finalizer is put on',
      KENTROLLER,
      joined,
      { metadata: { finalizers: ['example.com/stay'] } },
      'refused',
    ],
    [
      'an owner is put on',
      PINNER,
      joined,
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: 'x' }] } },
      'refused',
    ],
    ['a plan locks a node', KENTROLLER, joined, annotated({ [LOCK]: 'true', [LOCKED_BY]: MARK }), 'allowed'],
    ['a plan unlocks a node', KENTROLLER, locked, annotated({ [LOCK]: null, [LOCKED_BY]: null }), 'allowed'],
    [
      'what a NodeClaim has and the node lacks is added',
      PINNER,
      joined,
      { metadata: { labels: { 'karpenter.sh/nodepool': 'p' }, annotations: { [NODE_CLAIM]: 'claim' } } },
      'allowed',
    ],
    ['a prediction is written', KENTROLLER, joined, labelled(PREDICTED), 'allowed'],
    ['a prediction is written', PINNER, joined, labelled(PREDICTED), 'refused'],
    ['a placeholder becomes a node', PINNER, coming, labelled({ [PLACEHOLDER]: null }), 'allowed'],
  ]),
);

t.test('a component that was taken over taints and opens no nodes', (t) =>
  check(t, [
    ["a stranger's taint goes", KENTROLLER, joined, tainted(), 'refused'],
    ["a stranger's taint goes", PINNER, joined, tainted(), 'refused'],
    ['a taint changes', KENTROLLER, joined, tainted({ ...THEIRS, effect: 'NoExecute' }), 'refused'],
    [
      'all pods are driven out',
      KENTROLLER,
      joined,
      tainted(THEIRS, { key: 'x', effect: 'NoExecute' }),
      'refused',
    ],
    [
      'all pods are driven out by our taint',
      PINNER,
      joined,
      tainted(THEIRS, { ...RESERVED, effect: 'NoExecute' }),
      'refused',
    ],
    ['a node is cordoned for no plan', KENTROLLER, joined, { spec: { unschedulable: true } }, 'refused'],
    [
      'a node is cordoned',
      PINNER,
      joined,
      { ...annotated({ [CORDONED_BY]: MARK }), spec: { unschedulable: true } },
      'refused',
    ],
    ["a user's cordon goes", KENTROLLER, cordoned, { spec: { unschedulable: null } }, 'refused'],
    [
      "a user's cordon is made ours",
      KENTROLLER,
      cordoned,
      annotated({ [CORDONED_BY]: MARK, [CORDONED_BEFORE]: '{}' }),
      'refused',
    ],
    ['the providerID changes', PINNER, cordoned, { spec: { providerID: 'p:///3' } }, 'refused'],
    [
      'the pods of a node get other addresses',
      KENTROLLER,
      cordoned,
      { spec: { podCIDR: '10.0.0.0/24' } },
      'refused',
    ],
    ['an empty node is closed', KENTROLLER, joined, tainted(REMOVED), 'allowed'],
    ['a node is closed by the pinner', PINNER, joined, tainted(THEIRS, REMOVED), 'refused'],
    ['a plan reserves a node', PINNER, joined, tainted(RESERVED), 'allowed'],
    [
      'a plan closes a node',
      KENTROLLER,
      joined,
      { ...annotated({ [CORDONED_BY]: MARK, [CORDONED_BEFORE]: '{}' }), spec: { unschedulable: true } },
      'allowed',
    ],
    [
      'a plan drains a node that a user cordoned',
      KENTROLLER,
      cordoned,
      {
        metadata: {
          labels: { [DRAINING]: 'rebalancing' },
          annotations: { [CORDONED_BY]: MARK, [CORDONED_BEFORE]: '{"unschedulable":true}' },
        },
      },
      'allowed',
    ],
    [
      'a plan opens its node',
      KENTROLLER,
      drained,
      {
        metadata: {
          labels: { [DRAINING]: null },
          annotations: { [CORDONED_BY]: null, [CORDONED_BEFORE]: null },
        },
        spec: { unschedulable: null },
      },
      'allowed',
    ],
    [
      'the pinner opens a node that no plan reserves',
      PINNER,
      drained,
      {
        ...annotated({ [CORDONED_BY]: null, [CORDONED_BEFORE]: null, [OPEN_TO_DAEMONSETS]: null }),
        spec: { unschedulable: null, taints: [] },
      },
      'allowed',
    ],
    [
      'taint and cordon change places',
      KENTROLLER,
      joined,
      {
        ...annotated({ [CORDONED_BY]: MARK, [CORDONED_BEFORE]: '{}', [OPEN_TO_DAEMONSETS]: 'true' }),
        spec: { unschedulable: true, taints: [{ key: UNSCHEDULABLE, effect: 'NoSchedule' }] },
      },
      'allowed',
    ],
  ]),
);

t.test('a component that was taken over makes and deletes no nodes but placeholders', async (t) => {
  const make = (metadata: object, spec: object): Promise<unknown> =>
    as(PINNER).create<Node>(
      NODES,
      { metadata: { name: scene.nodeName('made'), ...metadata }, spec } as Node,
      { dryRun: true },
    );
  const spec = { providerID: 'p:///9' };
  t.equal(await outcomeOf(make({}, spec)), 'refused', 'a node that is no placeholder');
  t.equal(await outcomeOf(make(PLACEHOLDER_MARKS, {})), 'refused', 'a placeholder of no machine');
  t.equal(await outcomeOf(make(PLACEHOLDER_MARKS, spec)), 'allowed');
  t.equal(await outcomeOf(remove(PINNER, joined)), 'refused');
  t.equal(await outcomeOf(remove(KENTROLLER, joined)), 'refused');
  t.equal(await outcomeOf(remove(PINNER, coming)), 'allowed');
  await joinAs(client, coming);
  t.equal(await outcomeOf(remove(PINNER, coming)), 'refused', 'a placeholder whose kubelet has joined');
  t.equal(await outcomeOf(remove(KENTROLLER, coming)), 'refused', 'a placeholder whose kubelet has joined');
});
