import t from 'tap';
import {
  KARPENTER_DO_NOT_DISRUPT as GUARD,
  IN_USE_BY,
  KARPENTER_NODEPOOL,
  KENTROLLER,
  OWNED_BY,
  PLAN,
  PREPARING_TAINT,
} from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { NODE_CLAIMS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { SCOPE_LABELS, SCOPE_TAINT } from '../../planner/model/nodepool.ts';
import { eventually, Scene } from '../pinner/fixture.ts';
import { isRefused, outcomeOf } from './attempt.ts';
import { InstalledRights } from './installed.ts';

/** What a kentroller that was taken over can do to machines. Its rights are those of the manifests. */

const scene = new Scene('rights-nodeclaims');
const rights = new InstalledRights(scene);
const { client } = scene;
const name = (of: string): string => scene.nodeName(of);
let kentroller: KubeClient;

const claim = (of: string, metadata: object = {}, taints: readonly object[] = []): NodeClaim =>
  ({
    metadata: { name: name(of), labels: { [KARPENTER_NODEPOOL]: 'pool' }, ...metadata },
    spec: {
      nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
      requirements: [{ key: 'kubernetes.io/os', operator: 'In', values: ['linux'] }],
      ...(taints.length > 0 && { taints }),
    },
  }) as unknown as NodeClaim;
const ORDERED = {
  labels: { [KARPENTER_NODEPOOL]: 'pool', [PLAN]: 'plan' },
  annotations: { [OWNED_BY]: 'plan/uid', [GUARD]: 'true' },
  ownerReferences: [{ apiVersion: 'example.com/v1', kind: 'NodePool', name: 'pool', uid: 'x' }],
};
const RESERVED = [{ key: PREPARING_TAINT, effect: 'NoSchedule' }];

const patch = (of: string, body: object): Promise<unknown> =>
  kentroller.patch(NODE_CLAIMS, { name: name(of) }, body, { dryRun: true });
const annotate = (of: string, annotations: object): Promise<unknown> =>
  patch(of, { metadata: { annotations } });
const order = (metadata: object, taints: readonly object[]): Promise<unknown> =>
  kentroller.create(NODE_CLAIMS, claim('made', metadata, taints), { dryRun: true });
const remove = (of: string): Promise<unknown> =>
  kentroller.delete(NODE_CLAIMS, { name: name(of) }, { dryRun: true });

const CLAIMS: Readonly<Record<string, object>> = {
  theirs: { annotations: { [GUARD]: 'true' } },
  used: { annotations: { [IN_USE_BY]: 'plan/uid' } },
  ordered: ORDERED,
  starting: {},
};

t.before(async () => {
  await scene.open();
  await rights.install();
  kentroller = await rights.as(KENTROLLER);
  const at = new Date().toISOString();
  const ready = { type: 'Initialized', status: 'True', reason: 'x', message: '', lastTransitionTime: at };
  for (const [of, metadata] of Object.entries(CLAIMS)) {
    await client.create(NODE_CLAIMS, claim(of, metadata));
    const status = { conditions: [ready] };
    const o = { subresource: 'status' };
    if (of !== 'starting') await client.patch(NODE_CLAIMS, { name: name(of) }, { status }, o);
  }
  await eventually('the policies are in force', () =>
    isRefused(annotate('theirs', { 'example.com/a': 'x' })),
  );
});
t.teardown(async () => {
  for (const of of Object.keys(CLAIMS)) await client.delete(NODE_CLAIMS, { name: name(of) }).catch(() => {});
  await rights.remove();
  await scene.close();
});

t.test('a kentroller that was taken over orders no machines but for plans', async (t) => {
  t.equal(await outcomeOf(order({}, [])), 'refused', 'a machine that nobody knows of');
  t.equal(await outcomeOf(order(ORDERED, [])), 'refused', 'a machine open to everyone');
  t.equal(await outcomeOf(order({ ...ORDERED, annotations: {} }, RESERVED)), 'refused', 'without its plan');
  t.equal(await outcomeOf(order({ ...ORDERED, ownerReferences: [] }, RESERVED)), 'refused', 'of no NodePool');
  t.equal(
    await outcomeOf(order({ ...ORDERED, finalizers: ['a/b'] }, RESERVED)),
    'refused',
    'to stay for ever',
  );
  t.equal(await outcomeOf(order(ORDERED, RESERVED)), 'allowed');
  const scoped = { ...ORDERED, labels: { ...ORDERED.labels, ...SCOPE_LABELS } };
  t.equal(await outcomeOf(order(scoped, [SCOPE_TAINT, ...RESERVED])), 'allowed', 'a machine of scoped mode');
  t.equal(await outcomeOf(order(scoped, [SCOPE_TAINT])), 'refused', 'open to all pods of scoped mode');
});

t.test('a kentroller that was taken over changes of NodeClaims its marks alone', async (t) => {
  t.equal(await outcomeOf(annotate('theirs', { [GUARD]: null })), 'refused', "a user's do-not-disrupt goes");
  t.equal(await outcomeOf(annotate('used', { [GUARD]: 'true' })), 'refused', 'a machine can go no more');
  t.equal(
    await outcomeOf(annotate('theirs', { [OWNED_BY]: 'plan/uid' })),
    'refused',
    'a machine becomes ours',
  );
  t.equal(await outcomeOf(patch('used', { metadata: { finalizers: ['a/b'] } })), 'refused');
  t.equal(await outcomeOf(patch('used', { metadata: { labels: { [KARPENTER_NODEPOOL]: 'x' } } })), 'refused');
  t.equal(await outcomeOf(annotate('theirs', { [IN_USE_BY]: 'plan/uid' })), 'allowed', 'a plan takes a node');
  t.equal(await outcomeOf(annotate('used', { [IN_USE_BY]: null })), 'allowed', 'a plan frees a node');
  t.equal(await outcomeOf(annotate('ordered', { [GUARD]: null, [OWNED_BY]: null })), 'allowed', 'a release');
});

t.test('a kentroller that was taken over deletes no machines but those of plans', async (t) => {
  t.equal(await outcomeOf(remove('theirs')), 'refused');
  t.equal(await outcomeOf(remove('used')), 'allowed');
  t.equal(await outcomeOf(remove('ordered')), 'allowed');
  t.equal(await outcomeOf(remove('starting')), 'allowed', 'its machine has not become ready');
});
