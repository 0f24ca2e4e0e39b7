import t from 'tap';
import type { Node, Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { IntentStore } from '../intents/store.ts';
import { AssumedPods } from '../placement/assumedpods.ts';
import { staleNominationReason } from './stalenomination.ts';

const log = createLogger({ component: 'release', level: 'silent' });
const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'o', controller: true };
const common = { plan: 'saving', nodeClaim: 'claim', nodeName: 'coming' };
const ofPod: Intent = { ...common, id: 'pin/u', pin: { namespace: 'n', pod: { name: 'p', uid: 'u' } } };
const ofOwner: Intent = {
  ...common,
  id: 'pin/o',
  pin: { namespace: 'n', owner: { kind: 'ReplicaSet', name: 'web', uid: 'o', count: 1 } },
};

interface Case {
  readonly nominated?: string;
  readonly intents?: readonly Intent[];
  readonly node?: string;
  readonly nodeName?: string;
  readonly world?: 'known' | 'unknown' | 'disabled';
}

const OFF = 'pod pinning is off';
const GONE = 'no plan has a place for it on that node any more';
const cases: readonly (readonly [string, Case, string | undefined])[] = [
  ['a plan holds the place', { intents: [ofPod] }, undefined],
  ['a plan holds the place for its owner', { intents: [ofOwner] }, undefined],
  [
    'it is nominated to the claim, whose node has no name',
    { nominated: 'claim', intents: [ofOwner] },
    undefined,
  ],
  ['the plan was deleted', {}, GONE],
  ['the plan has another place for it', { nominated: 'lost', intents: [ofPod] }, GONE],
  ['the Node exists, so kube-scheduler decides', { node: 'coming' }, undefined],
  ['it is nominated nowhere', { nominated: '' }, undefined],
  ['it has its node', { nodeName: 'x' }, undefined],
  ['the autoscaler has not sent its state yet', { world: 'unknown' }, undefined],
  ['pinning is turned off', { world: 'disabled' }, OFF],
];
for (const [what, c, expected] of cases) {
  t.test(`a nominated pod: ${what}`, async (t) => {
    const store = new IntentStore(log);
    const nodes = new FakeCache<Node>(NODES);
    if (c.node) nodes.put({ metadata: { name: c.node } });
    if (c.world === 'disabled') store.disable();
    else store.beginResync();
    for (const intent of c.intents ?? []) store.upsert(intent, 1);
    if (!c.world) store.endResync(1);
    const pod: Pod = {
      metadata: { name: 'p', namespace: 'n', uid: 'u', ownerReferences: [owner] },
      spec: { containers: [], ...(c.nodeName && { nodeName: c.nodeName }) },
      status: { nominatedNodeName: c.nominated ?? 'coming' },
    };
    const pods = new FakeCache<Pod>(PODS, POD_INDEXES);
    pods.put(pod);
    const state = {
      store,
      pods,
      nodes,
      assumedPods: new AssumedPods(Date.now),
      refusals: { closedReason: () => undefined },
      requestsOf: memoizeRequests(),
      now: Date.now,
    };
    t.equal(staleNominationReason(state, pod), expected);
  });
}
