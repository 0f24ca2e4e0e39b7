import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { POD_TEMPLATE_HASH, SURGED } from '../../api/labels.ts';
import type { KubeObject, Pod } from '../../api/objects.ts';
import { PODS, REBALANCE_PLANS, type Resource } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { KubeError } from '../../kube/errors.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import * as make from '../testing/builders.ts';
import { PLAN_FINALIZER } from './state/labels.ts';
import { DETACHED_BY, detachedBy } from './state/surgerecord.ts';
import { giveBackStrays } from './strays.ts';

/** The fault of surged strays: detached pods whose plan can no longer give them back. */

const REPLICA_SET = { metadata: { name: 'rs', namespace: 'shop', uid: 'rs-uid' } };
const stray: Pod = make.pod('only', {
  resourceVersion: '7',
  ownerReferences: [],
  annotations: {
    [SURGED]: JSON.stringify({ plan: 'plan', hash: 'abc', replicaSet: { name: 'rs', uid: 'rs-uid' } }),
  },
});
const planWith = (o: Partial<RebalancePlan['metadata']>, state?: 'Running' | 'Failed'): RebalancePlan => ({
  ...make.plan({}, state ? { state } : {}),
  metadata: { name: 'plan', uid: 'plan-uid', ...o },
  ...(state === undefined && { status: {} }),
});

const scene = (o: {
  readonly pod?: Pod;
  readonly plan?: RebalancePlan | undefined;
  readonly replicaSets?: readonly KubeObject[];
}) => {
  const writes: string[] = [];
  const pod = o.pod ?? stray;
  const there: Readonly<Record<string, KubeObject | undefined>> = { Pod: pod, RebalancePlan: o.plan };
  const client = {
    get: async ({ kind }: Resource) => {
      const found = there[kind];
      if (!found) throw new KubeError('gone', { kind: 'not-found', status: 404 });
      return found;
    },
    list: async () => ({ items: o.replicaSets ?? [REPLICA_SET], resourceVersion: '1' }),
    patch: async (r: Resource, { name }: { name: string }, body: { metadata: KubeObject['metadata'] }) => {
      const { labels, annotations, resourceVersion, ownerReferences } = body.metadata;
      writes.push(
        labels === undefined && ownerReferences === undefined
          ? `patch ${r.kind} ${name} ${Object.entries(annotations ?? {}).join()} ${resourceVersion}`
          : `patch ${r.kind} ${name} ${labels?.[POD_TEMPLATE_HASH]} ${resourceVersion} ${ownerReferences}`,
      );
    },
    delete: async (r: Resource, { name }: { name: string }, { uid }: { uid: string }) =>
      void writes.push(`delete ${r.kind} ${name} ${uid}`),
  } as unknown as KubeClient;
  const pods = new FakeCache(PODS, { [DETACHED_BY]: detachedBy });
  const plans = new FakeCache(REBALANCE_PLANS);
  pods.put(pod);
  const events: string[] = [];
  const controller = giveBackStrays({
    client,
    caches: { pods, plans },
    podRecorder: {
      event: (_resource, _about, _type, reason) => void events.push(reason),
      flush: async () => {},
    },
    log: createLogger({ component: 'test', level: 'silent' }),
  });
  return { controller, writes, events, plans, pods };
};
const BACK = ['patch Pod only abc 7 null'];
const STAYS = [`patch Pod only ${SURGED}, 7`];

/** The stray, with a record of another ReplicaSet. */
const saying = (replicaSet: { readonly name: string; readonly uid: string }): Pod => ({
  ...stray,
  metadata: {
    ...stray.metadata,
    annotations: { [SURGED]: JSON.stringify({ plan: 'plan', hash: 'abc', replicaSet }) },
  },
});
const controlled = (pod: Pod): Pod => ({
  ...pod,
  metadata: {
    ...pod.metadata,
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid', controller: true },
    ],
  },
});
/** A plan that is over, and has a detached pod on record. */
const planOf = (uid: string): RebalancePlan => ({
  ...planWith({}),
  status: {
    state: 'Failed',
    detachedPods: [
      { namespace: 'shop', name: 'only', uid, hash: 'abc', replicaSet: { name: 'rs', uid: 'rs-uid' } },
    ],
  },
});

const CASES: readonly (readonly [string, Parameters<typeof scene>[0], readonly string[]])[] = [
  ['a pod is given back when its plan no longer exists', {}, BACK],
  [
    'a pod is given back when its plan has failed and lost its finalizer',
    { plan: planWith({}, 'Failed') },
    BACK,
  ],
  ['a pod is given back when only a later plan has the name', { plan: planWith({}) }, BACK],
  ['a running plan has its pods', { plan: planWith({}, 'Running') }, []],
  [
    'a plan gives back before its finalizer goes',
    { plan: planWith({ finalizers: [PLAN_FINALIZER] }, 'Failed') },
    [],
  ],
  ['a pod that was given back meanwhile is left alone', { pod: make.pod('only') }, []],
  [
    'a pod that is going is left alone',
    { pod: { ...stray, metadata: { ...stray.metadata, deletionTimestamp: make.ago(1) } } },
    [],
  ],
  [
    'a pod whose ReplicaSet is gone goes like it, where a plan has it on record',
    { plan: planOf('only-uid'), replicaSets: [] },
    ['delete Pod only only-uid'],
  ],
  [
    'a ReplicaSet that was made anew under the name is another one',
    {
      plan: planOf('only-uid'),
      replicaSets: [{ metadata: { ...REPLICA_SET.metadata, uid: 'new' } }],
    },
    ['delete Pod only only-uid'],
  ],
  ['attack: a pod that alone says that its ReplicaSet is gone stays', { replicaSets: [] }, STAYS],
  [
    'attack: a pod that names a plan which detached another one stays',
    { plan: planOf('another-uid'), replicaSets: [] },
    STAYS,
  ],
  [
    'attack: a pod that names another ReplicaSet than its plan is given back to that of the plan',
    { pod: saying({ name: 'gone', uid: 'gone-uid' }), plan: planOf('only-uid') },
    BACK,
  ],
  [
    'attack: a pod with a controller that says it was detached is not touched',
    { pod: controlled(stray), plan: planOf('only-uid') },
    [],
  ],
  [
    'attack: a forged record ends no pod with a controller, whatever ReplicaSet it names',
    { pod: controlled(saying({ name: 'gone', uid: 'gone-uid' })), replicaSets: [] },
    [],
  ],
];

for (const [name, given, expected] of CASES) {
  t.test(name, async (t) => {
    const { controller, writes, events } = scene(given);
    await controller.reconcile('shop/only', new AbortController().signal);
    t.same(writes, expected);
    t.equal(events.length, expected.length, 'and the pod has an event of it');
  });
}

t.test('a stray is looked at when it appears, and when its plan ends or goes', async (t) => {
  const { controller, plans, pods } = scene({});
  const keys: string[] = [];
  for (const source of controller.sources) {
    source.cache.onChange((change) => void keys.push(...source.keys(change)));
  }
  pods.put({ ...stray, metadata: { ...stray.metadata, resourceVersion: '8' } });
  plans.put(planWith({}, 'Running'));
  t.same(keys, ['shop/only'], 'a plan that runs changes nothing');
  plans.put(planWith({}, 'Failed'));
  plans.drop('plan');
  t.same(keys, ['shop/only', 'shop/only', 'shop/only']);
});
