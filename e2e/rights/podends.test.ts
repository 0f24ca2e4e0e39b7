import t, { type Test } from 'tap';
import { AWAITS_PLAN, KENTROLLER, PIN, PIN_PROBE, POD_PINNER as PINNER } from '../../api/labels.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { type Outcome, outcomeOf, podOf } from './attempt.ts';
import { PodScene } from './podscene.ts';

/** Which pods a component of ours that was taken over can create, bind, evict, delete, or report on. */

const s = new PodScene('rights-podends');
const { namespace } = s.scene;

t.before(() => s.open());
t.teardown(() => s.close());

type Write = (c: KubeClient) => Promise<unknown>;
type Attempt = readonly [sentence: string, account: string, write: Write, outcome: Outcome];

const report =
  (name: string, status: object, metadata: object = {}): Write =>
  (c) =>
    c.patch(PODS, s.ref(name), { metadata, status }, { dryRun: true, subresource: 'status' });
const remove =
  (name: string, gracePeriodSeconds?: number): Write =>
  (c) =>
    c.delete(PODS, s.ref(name), {
      dryRun: true,
      uid: s.uid(name),
      ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    });
const evict =
  (o: { readonly uid?: string; readonly gracePeriodSeconds?: number }): Write =>
  (c) => {
    const { gracePeriodSeconds, ...preconditions } = o;
    const options = { dryRun: true, ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }) };
    return c.evict({ ...s.ref('running'), ...preconditions }, options);
  };
const bind =
  (metadata: object): Write =>
  (c) =>
    c.request('POST', `/api/v1/namespaces/${namespace}/pods/pending/binding`, {
      query: { dryRun: 'All' },
      body: {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'pending', namespace, ...metadata },
        target: { apiVersion: 'v1', kind: 'Node', name: s.node },
      },
    });
const create =
  (labels: Record<string, string>, dryRun: boolean): Write =>
  (c) =>
    c.create(PODS, podOf(namespace, 'made', { metadata: { labels } }), { dryRun });

const PROBE = { [PIN_PROBE]: 'true' };
const PINNED = { [PIN]: 'pin/1' };
const READY = { conditions: [{ type: 'Ready', status: 'True' }] };

const check = (t: Test, attempts: readonly Attempt[]): Promise<void> =>
  attempts.reduce(async (before, [sentence, account, write, outcome]) => {
    await before;
    t.equal(await outcomeOf(write(s.as(account))), outcome, `${sentence}, by ${account}: ${outcome}`);
  }, Promise.resolve());

t.test('a component that was taken over creates no pods', (t) =>
  check(t, [
    ['a pod is created', KENTROLLER, create(PROBE, false), 'refused'],
    ['a dry run probes nothing', KENTROLLER, create({}, true), 'refused'],
    ['a dry run probes the webhook', KENTROLLER, create(PROBE, true), 'allowed'],
  ]),
);

t.test('a component that was taken over ends no pods but those that it ends anyway', (t) =>
  check(t, [
    ['a running pod is deleted', PINNER, remove('running'), 'refused'],
    ['a running pod is deleted at once', KENTROLLER, remove('running', 0), 'refused'],
    ['a running pod gets less than its time', KENTROLLER, remove('running', 5), 'refused'],
    ['whoever has the name is deleted', KENTROLLER, (c) => c.delete(PODS, s.ref('running')), 'refused'],
    ["a DaemonSet's pod is deleted", KENTROLLER, remove('daemon'), 'refused'],
    ['a running pod is deleted with its grace period', KENTROLLER, remove('running'), 'allowed'],
    ['a pod that its kubelet refused is deleted', PINNER, remove('refused'), 'allowed'],
    ['a pod that never started is deleted at once', PINNER, remove('never-started', 0), 'allowed'],
    ['a pod that never started is deleted at once', KENTROLLER, remove('never-started', 0), 'allowed'],
    ['whoever has the name is evicted', KENTROLLER, evict({}), 'refused'],
    [
      'a pod is evicted at once',
      KENTROLLER,
      (c) => evict({ uid: s.uid('running'), gracePeriodSeconds: 0 })(c),
      'refused',
    ],
    ['a pod is evicted', KENTROLLER, (c) => evict({ uid: s.uid('running') })(c), 'allowed'],
  ]),
);

t.test('a component that was taken over binds no pod without a pin', (t) =>
  check(t, [
    ['no pin is named', PINNER, (c) => bind({ uid: s.uid('pending') })(c), 'refused'],
    ['whoever has the name is bound', PINNER, bind({ annotations: PINNED }), 'refused'],
    [
      'another annotation comes with the binding',
      PINNER,
      (c) => bind({ uid: s.uid('pending'), annotations: { ...PINNED, 'example.com/x': 'y' } })(c),
      'refused',
    ],
    ['a pin is named', PINNER, (c) => bind({ uid: s.uid('pending'), annotations: PINNED })(c), 'allowed'],
  ]),
);

t.test('a component that was taken over reports on no pod but its nomination', (t) =>
  check(t, [
    ['a pod is called ready', PINNER, report('pending', READY), 'refused'],
    ['a pod is called failed', KENTROLLER, report('running', { phase: 'Failed' }), 'refused'],
    ['a label comes with the status', PINNER, report('pending', {}, { labels: { app: 'x' } }), 'refused'],
    ['a pod is nominated', KENTROLLER, report('pending', { nominatedNodeName: 'n' }), 'refused'],
    ['a pod is nominated', PINNER, report('pending', { nominatedNodeName: 'n' }), 'allowed'],
    [
      'a pod is nominated for a plan that is about to be made',
      KENTROLLER,
      report('pending', { nominatedNodeName: AWAITS_PLAN }),
      'allowed',
    ],
    ['a nomination is removed', KENTROLLER, report('pending', { nominatedNodeName: null }), 'allowed'],
  ]),
);
