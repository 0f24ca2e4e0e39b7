import t from 'tap';
import {
  KENTROLLER,
  PIN,
  PIN_GATE,
  PIN_HELD,
  PIN_NODE,
  POD_PINNER as PINNER,
  POD_TEMPLATE_HASH,
  PREPARING_TAINT,
  SURGED,
  POD_PINNER_WEBHOOK as WEBHOOK,
} from '../../api/labels.ts';
import type { Toleration } from '../../api/objects.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { landPod, nameNode, removeGate } from '../../kube/heldpods/gates.ts';
import { paced } from '../../kube/testing/pace.ts';
import { outcomeOf, owner } from './attempt.ts';
import { DEPLOYMENT, PodScene } from './podscene.ts';

/** What a component of ours that was taken over can change of a pod. Its rights are those of the manifests. */

const s = new PodScene('rights-podchanges');
const signal = AbortSignal.timeout(paced(300_000));
const RESERVATION: Toleration = { key: PREPARING_TAINT, operator: 'Exists', effect: 'NoSchedule' };
const CONTROL_PLANE: Toleration = { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists' };

t.before(() => s.open());
t.teardown(() => s.close());

const patch = (c: KubeClient, name: string, body: object): Promise<unknown> =>
  c.patch(PODS, s.ref(name), body, { dryRun: true });
const tolerating = (name: string, toleration: Toleration): object => ({
  spec: { tolerations: [...(s.pod(name).spec.tolerations ?? []), toleration] },
});
const labelled = (labels: object): object => ({ metadata: { labels } });
const annotated = (annotations: object): object => ({ metadata: { annotations } });

type Change = readonly [sentence: string, pod: string, body: () => object, accounts: readonly string[]];
const ALL = [KENTROLLER, PINNER, WEBHOOK];

const REFUSED: readonly Change[] = [
  ['its deadline is set', 'running', () => ({ spec: { activeDeadlineSeconds: 1 } }), ALL],
  ['it is taken into a Service', 'running', () => labelled({ app: 'bank' }), ALL],
  ['it gets a label', 'running', () => labelled({ role: 'x' }), ALL],
  ['it loses a label', 'running', () => labelled({ app: null }), ALL],
  ['it gets an annotation', 'pending', () => annotated({ 'example.com/a': 'x' }), ALL],
  ['it loses an annotation', 'held', () => annotated({ 'example.com/kept': null }), ALL],
  ['it gets a pin that nobody gave', 'pending', () => annotated({ [PIN]: 'x' }), ALL],
  ['it leaves its ReplicaSet by label', 'running', () => labelled({ [POD_TEMPLATE_HASH]: null }), ALL],
  ['it leaves its owner', 'running', () => ({ metadata: { ownerReferences: null } }), ALL],
  [
    'it gets another owner in a surge',
    'running',
    () => ({
      metadata: {
        annotations: { [SURGED]: '{}' },
        ownerReferences: [{ ...owner('ReplicaSet'), uid: 'other', controller: false }],
      },
    }),
    ALL,
  ],
  [
    'it gets a Deployment that is not its own in a surge',
    'running',
    () => ({
      metadata: {
        labels: { [POD_TEMPLATE_HASH]: null },
        annotations: { [SURGED]: '{}' },
        ownerReferences: [{ ...DEPLOYMENT, name: 'bank' }],
      },
    }),
    ALL,
  ],
  ['it gets a finalizer', 'running', () => ({ metadata: { finalizers: ['example.com/stay'] } }), ALL],
  ["a stranger's gate goes", 'held-by-others-too', () => ({ spec: { schedulingGates: null } }), ALL],
  [
    "a stranger's gate goes, and ours stays",
    'held-by-others-too',
    () => ({ spec: { schedulingGates: [{ name: PIN_GATE }] } }),
    ALL,
  ],
  ['it tolerates every taint', 'pending', () => tolerating('pending', { operator: 'Exists' }), ALL],
  ['it tolerates the control plane', 'pending', () => tolerating('pending', CONTROL_PLANE), ALL],
  ['its node selector grows', 'held', () => ({ spec: { nodeSelector: { a: 'b' } } }), ALL],
  ['it is told its node', 'held', () => annotated({ [PIN_NODE]: 'm' }), [KENTROLLER, WEBHOOK]],
  [
    'it is detached for a surge',
    'running',
    () => ({
      metadata: {
        labels: { [POD_TEMPLATE_HASH]: null },
        annotations: { [SURGED]: '{}' },
        ownerReferences: [DEPLOYMENT],
      },
    }),
    [PINNER, WEBHOOK],
  ],
];

t.test('a component that was taken over changes of a pod no more than it does', async (t) => {
  for (const [sentence, name, body, accounts] of REFUSED) {
    for (const account of accounts)
      t.equal(await outcomeOf(patch(s.as(account), name, body())), 'refused', `${sentence}, by ${account}`);
  }
});

t.test('a component that was taken over replaces no image', async (t) => {
  const body = { spec: { containers: [{ name: 'main', image: 'evil' }] } };
  const replace = (c: KubeClient): Promise<unknown> =>
    c.patch(PODS, s.ref('running'), body, { dryRun: true, type: 'strategic' });
  for (const account of ALL) t.equal(await outcomeOf(replace(s.as(account))), 'refused', account);
  t.equal(await outcomeOf(replace(s.scene.client)), 'allowed', 'our policies are nothing to anybody else');
});

/** The same client, whose patches are dry runs. */
const dry = (c: KubeClient): KubeClient => ({
  ...c,
  patch: (resource, ref, body, o) => c.patch(resource, ref, body, { ...o, dryRun: true }),
});

t.test('held pods are released by all, and landed by the pod pinner alone', async (t) => {
  const releases = (account: string, name: string, tolerations: readonly Toleration[]): Promise<unknown> =>
    removeGate(dry(s.as(account)), s.pod(name), { tolerations, signal });
  for (const account of ALL) {
    t.equal(await outcomeOf(releases(account, 'held', [])), 'allowed', account);
    t.equal(await outcomeOf(releases(account, 'held-by-others-too', [])), 'allowed', account);
  }
  t.equal(await outcomeOf(releases(PINNER, 'held', [RESERVATION])), 'allowed');
  // Otherwise another webhook that labels pods on their way would leave the pod behind our gate for ever.
  const labelledOnTheWay = { ...labelled({ seen: 'x' }), spec: { schedulingGates: null } };
  t.equal(await outcomeOf(patch(s.as(WEBHOOK), 'held', labelledOnTheWay)), 'allowed');
  const land = (account: string): Promise<unknown> =>
    landPod(dry(s.as(account)), s.pod('held'), { nodeName: 'n', tolerations: [RESERVATION], signal });
  t.equal(await outcomeOf(land(PINNER)), 'allowed');
  for (const account of [KENTROLLER, WEBHOOK]) t.equal(await outcomeOf(land(account)), 'refused', account);
  t.equal(await outcomeOf(nameNode(dry(s.as(PINNER)), s.pod('held'), 'm', signal)), 'allowed');
});

const ALLOWED: readonly Change[] = [
  [
    'a pending pod tolerates the reservation',
    'pending',
    () => tolerating('pending', RESERVATION),
    [KENTROLLER, PINNER],
  ],
  [
    'a pod is detached for a surge',
    'running',
    () => ({
      metadata: {
        labels: { [POD_TEMPLATE_HASH]: null },
        annotations: { [SURGED]: '{}' },
        ownerReferences: [DEPLOYMENT],
      },
    }),
    [KENTROLLER],
  ],
  [
    'a detached pod is given back',
    'detached',
    () => ({
      metadata: {
        labels: { [POD_TEMPLATE_HASH]: 'abc' },
        annotations: { [SURGED]: null },
        ownerReferences: null,
      },
    }),
    [KENTROLLER],
  ],
  [
    'our marks are taken off',
    'held',
    () => ({ metadata: { labels: { [PIN_HELD]: null }, annotations: { [PIN]: null, [PIN_NODE]: null } } }),
    [KENTROLLER],
  ],
];

t.test('what our components do to pods passes', async (t) => {
  for (const [sentence, name, body, accounts] of ALLOWED) {
    for (const account of accounts)
      t.equal(await outcomeOf(patch(s.as(account), name, body())), 'allowed', `${sentence}, by ${account}`);
  }
});
