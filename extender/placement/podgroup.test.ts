import t from 'tap';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { IntentStore } from '../intents/store.ts';
import { assignPendingPods } from './allocate.ts';
import { AssumedPods } from './assumedpods.ts';
import { choosePinFor } from './choosepin.ts';
import type { State } from './state.ts';

/** The pods of a PodGroup are pinned all or none. */

const log = createLogger({ component: 'groups', level: 'silent' });

interface Member {
  readonly name: string;
  readonly owner: string;
  readonly nodeName?: string;
  readonly group?: string;
  readonly selector?: Readonly<Record<string, string>>;
}

const podOf = ({ name, owner, nodeName, group = 'gang', selector }: Member): Pod => ({
  metadata: {
    name,
    namespace: 'n',
    uid: name,
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: owner, uid: owner, controller: true }],
  },
  spec: {
    containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }],
    schedulingGroup: { podGroupName: group },
    ...(nodeName && { nodeName }),
    ...(selector && { nodeSelector: selector }),
  },
});

const places = (owner: string, count: number, nodeName = 'new'): Intent => ({
  id: `pin/${owner}/${nodeName}`,
  plan: 'saving',
  nodeClaim: 'claim',
  nodeName,
  pin: { namespace: 'n', owner: { kind: 'Job', name: owner, uid: owner, count } },
});
const place = (uid: string): Intent => ({
  id: `pin/${uid}`,
  plan: 'saving',
  nodeClaim: 'claim',
  nodeName: 'new',
  pin: { namespace: 'n', pod: { name: uid, uid } },
});

const stateOf = (members: readonly Member[], intents: readonly Intent[]): State => {
  const store = new IntentStore(log);
  const pods = new FakeCache<Pod>(PODS, POD_INDEXES);
  const nodes = new FakeCache<Node>(NODES);
  nodes.put({
    metadata: { name: 'new', labels: { zone: 'a' } },
    spec: {},
    status: { allocatable: { cpu: '16', memory: '64Gi', pods: '110' } },
  });
  for (const member of members) pods.put(podOf(member));
  for (const intent of intents) store.upsert(intent, 1);
  return {
    store,
    pods,
    nodes,
    assumedPods: new AssumedPods(Date.now),
    refusals: { closedReason: () => undefined },
    requestsOf: memoizeRequests(),
    now: Date.now,
  };
};

const of = (owner: string, ...names: readonly string[]): readonly Member[] =>
  names.map((name) => ({ name, owner }));

const CASES: readonly (readonly [string, readonly Member[], readonly Intent[], number])[] = [
  ['each has a place', of('job', 'a', 'b', 'c'), [places('job', 3)], 3],
  ['one has none', of('job', 'a', 'b', 'c'), [places('job', 2)], 0],
  ['the places are on several nodes', of('job', 'a', 'b', 'c'), [places('job', 2), places('job', 1, 'x')], 3],
  [
    'one runs already, the others have places',
    [...of('job', 'a', 'b'), { name: 'c', owner: 'job', nodeName: 'old' }],
    [places('job', 2)],
    2,
  ],
  [
    'a member of another owner has a place, too',
    [...of('job', 'a', 'b'), ...of('leader', 'l')],
    [places('job', 2), places('leader', 1)],
    2,
  ],
  [
    'a member of another owner has none',
    [...of('job', 'a', 'b'), ...of('leader', 'l')],
    [places('job', 2)],
    0,
  ],
  [
    'a member of another owner is named by the plan itself',
    [...of('job', 'a', 'b'), ...of('leader', 'l')],
    [places('job', 2), place('l')],
    2,
  ],
  [
    'one may not go where its place is',
    [...of('job', 'a'), { name: 'b', owner: 'job', selector: { zone: 'b' } }],
    [places('job', 2)],
    0,
  ],
  [
    'another group has no place',
    [...of('job', 'a', 'b'), { name: 'c', owner: 'other', group: 'other' }],
    [places('job', 2)],
    2,
  ],
];
for (const [what, members, intents, expected] of CASES) {
  t.test(`a group of which ${what}: ${expected} are pinned`, async (t) => {
    const state = stateOf(members, intents);
    const matches = assignPendingPods(state, 'job');
    t.equal(matches.length, expected);
    for (const { intent, pod } of matches)
      t.equal(
        choosePinFor(state, intent, pod, 'pending').way,
        'nominate',
        'the group starts by kube-scheduler alone',
      );
  });
}

t.test('the reason tells how many pods have a place', async (t) => {
  const state = stateOf(of('job', 'a', 'b', 'c'), [places('job', 2)]);
  const [pod] = state.pods.by('owner', 'job');
  const pin = pod && choosePinFor(state, places('job', 2), pod, 'pending');
  t.match(pin, { way: 'leave', reason: /its pod group gang .* only 2 of its 3 waiting pods have a place/ });
});

t.test('a pod of a group is not pinned at its creation, since the others are unknown', async (t) => {
  const state = stateOf([], [places('job', 3)]);
  const pod = podOf({ name: 'a', owner: 'job' });
  t.match(choosePinFor(state, places('job', 3), pod, 'admission'), { way: 'leave' });
});
