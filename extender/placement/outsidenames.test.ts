import fc from 'fast-check';
import t from 'tap';
import type { Node, Pod, SelectorRequirement } from '../../api/objects.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { createLogger } from '../../kube/component/log.ts';
import { FakeCache } from '../../kube/testing/fakecache.ts';
import { memoizeRequests } from '../../planner/scheduling/fit.ts';
import { IntentStore } from '../intents/store.ts';
import { decidePlaceholder } from '../placeholder/decide.ts';
import { allocateSlot } from './allocate.ts';
import { AssumedPods } from './assumedpods.ts';

const NAMES = Object.getOwnPropertyNames(Object.prototype);
const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'owner', controller: true };

const requiring = (requirement: SelectorRequirement): Pod => ({
  metadata: { name: '', namespace: 'n', uid: 'p', ownerReferences: [owner] },
  spec: {
    containers: [{ name: 'main' }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [requirement] }],
        },
      },
    },
  },
});

/** The way in which a pod gets a slot on a node with these labels. */
const wayOf = (pod: Pod, labels: Record<string, string>): string | undefined => {
  const now = () => 1_000_000;
  const store = new IntentStore(createLogger({ component: 'slots', level: 'silent' }));
  const pods = new FakeCache(PODS, POD_INDEXES);
  const nodes = new FakeCache(NODES);
  nodes.put({
    metadata: { name: 'n1', labels },
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '9' } },
  });
  const pin = {
    namespace: 'n',
    owner: { kind: 'ReplicaSet', name: 'web', uid: 'owner', count: 1, names: [] },
  };
  store.upsert({ id: 'pin/n1', plan: 'plan', nodeClaim: 'c', nodeName: 'n1', pin }, 1);
  const assumedPods = new AssumedPods(now);
  const refusals = { closedReason: () => undefined };
  const state = { store, pods, nodes, assumedPods, refusals, requestsOf: memoizeRequests(), now };
  const grant = allocateSlot(state, { requestUid: 'r', ownerUid: 'owner', pod });
  return 'way' in grant ? String(grant.way) : undefined;
};

t.test('a pod that requires a label by any name is assigned where the kubelet admits it', async (t) => {
  t.equal(wayOf(requiring({ key: 'plain', operator: 'Exists' }), { plain: 'a' }), 'assign');
  const labels = fc.constantFrom<string | undefined>('a', undefined);
  fc.assert(
    fc.property(
      fc.constantFrom(...NAMES),
      fc.constantFrom('Exists' as const, 'DoesNotExist' as const),
      labels,
      (key, operator, label) => {
        const way = (name: string): string | undefined =>
          wayOf(requiring({ key: name, operator }), Object.fromEntries(label ? [[name, label]] : []));
        if (way(key) !== way('plain')) throw new Error(`${way(key)} instead of ${way('plain')}`);
      },
    ),
    { numRuns: 100, seed: 13 },
  );
});

t.test('a node gets the labels of its NodeClaim, whatever their names', async (t) => {
  for (const name of NAMES) {
    const labels = Object.fromEntries([[name, 'x']]);
    const node: Node = {
      metadata: { name: 'n', labels: {}, annotations: {} },
      spec: { providerID: 'aws:///a/i-1' },
    };
    const step = decidePlaceholder({
      name: 'n',
      intent: {
        id: 'node/n',
        plan: 'plan',
        nodeClaim: 'claim',
        nodeName: 'n',
        node: {
          providerId: 'aws:///a/i-1',
          labels,
          annotations: {},
          taints: [],
          capacity: {},
          allocatable: {},
          joinDeadlineMs: 2_000_000,
          nodeClaimUid: 'uid',
        },
      },
      node,
      pods: [],
      hasPins: false,
      hasFullState: true,
      isDisabled: false,
      now: 1_000_000,
    });
    t.match(JSON.stringify(step), `"${name}":"x"`);
  }
});
