import t from 'tap';
import { consolidationOwner, ownerMark } from '../../api/identity/ownermark.ts';
import {
  DRAINING,
  EVICTION_STATUS,
  IN_USE_BY,
  KARPENTER_DO_NOT_DISRUPT,
  MIRROR_POD,
  REMOVAL_DISABLED,
  REMOVAL_TAINT,
} from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import * as make from '../testing/builders.ts';
import { decide, type NodeFacts } from './decide.ts';

const SETTLE_MS = 5_000;
const CONSOLIDATABLE = [
  { type: 'Initialized', status: 'True' },
  { type: 'Consolidatable', status: 'True' },
] as const;

const claimWith = (
  metadata: Partial<NodeClaim['metadata']> = {},
  o: { readonly expireAfter?: string; readonly conditions?: readonly object[] } = {},
): NodeClaim => {
  const claim = make.nodeClaim('c', metadata);
  return {
    ...claim,
    spec: { ...claim.spec, expireAfter: o.expireAfter ?? 'Never' },
    status: { ...claim.status, conditions: (o.conditions ?? CONSOLIDATABLE) as never },
  };
};
const MARK = ownerMark(consolidationOwner(claimWith()));
const marked = (o: Parameters<typeof claimWith>[1] = {}): NodeClaim =>
  claimWith({ annotations: { [IN_USE_BY]: MARK } }, o);
/** A marked claim on which Karpenter noted a pod's coming or going so many seconds ago. */
const podsSeen = (seconds: number): NodeClaim => {
  const claim = marked();
  return { ...claim, status: { ...claim.status, lastPodEventTime: make.ago(seconds) } };
};
const closed = (seconds: number, more: Parameters<typeof make.node>[1] = {}) =>
  make.node('c', {
    ...more,
    spec: {
      ...more.spec,
      taints: [{ key: REMOVAL_TAINT, effect: 'NoSchedule', timeAdded: make.ago(seconds) }],
    },
  });
const HANDED_OVER = {
  labels: { [EVICTION_STATUS]: 'done', [DRAINING]: 'evictor' },
  spec: { unschedulable: true },
};
const DAEMON = [
  { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'ds', uid: 'ds', controller: true },
] as const;
const pool = (disruption: object) =>
  make.nodePool('general', { disruption: { consolidateAfter: '0s', ...disruption } });

const facts = (o: Partial<NodeFacts>): NodeFacts => ({
  node: make.node('c'),
  claim: claimWith(),
  pool: pool({}),
  pods: [],
  promised: () => [],
  volumes: () => [],
  isPlanned: false,
  allowed: () => 1,
  neededFor: () => undefined,
  rules: { budgets: [], mode: {}, now: make.NOW, hasLocalVolume: () => false, willSurge: () => false },
  isEnabled: true,
  policies: { isScoped: false, limit: () => undefined },
  now: make.NOW,
  settleMs: SETTLE_MS,
  ...o,
});

const leave = (reason: string, message: RegExp, path = 'empty') => ({ kind: 'leave', path, reason, message });

const CASES: readonly (readonly [string, Partial<NodeFacts>, object])[] = [
  ['an empty node is marked first', {}, { kind: 'mark', path: 'empty' }],
  ['then closed', { claim: marked() }, { kind: 'close', path: 'empty' }],
  [
    'then bindings that were under way are waited for',
    { claim: marked(), node: closed(2) },
    { kind: 'settle', afterMs: 3_000 },
  ],
  ['then deleted', { claim: marked(), node: closed(5) }, { kind: 'delete', path: 'empty' }],
  [
    'not while Karpenter would not note on the claim that a pod came',
    { claim: podsSeen(9), node: closed(5) },
    { kind: 'settle', path: 'empty', afterMs: 3_000 },
  ],
  ['but after', { claim: podsSeen(12), node: closed(5) }, { kind: 'delete', path: 'empty' }],
  [
    'a taint from the future is put on anew',
    { claim: marked(), node: closed(-60) },
    { kind: 'close', path: 'empty' },
  ],
  ['while the feature is off nothing goes', { isEnabled: false }, { kind: 'none' }],
  [
    'turned off, it takes back what it did',
    { isEnabled: false, claim: marked(), node: closed(5) },
    { kind: 'reopen', message: /off/ },
  ],
  [
    'a taint that is left of a crash comes off',
    { node: closed(5), claim: claimWith({}, { conditions: [] }) },
    { kind: 'reopen', reason: 'NodeKept' },
  ],
  [
    'a claim that is being deleted is left',
    { claim: claimWith({ deletionTimestamp: 'x' }) },
    { kind: 'none' },
  ],
  [
    'Karpenter must call it consolidatable',
    { claim: claimWith({}, { conditions: [CONSOLIDATABLE[0]] }) },
    { kind: 'none' },
  ],
  ['consolidateAfter Never keeps it', { pool: pool({ consolidateAfter: 'Never' }) }, { kind: 'none' }],
  [
    'consolidationPolicy WhenEmpty does not',
    { pool: pool({ consolidationPolicy: 'WhenEmpty' }) },
    { kind: 'mark' },
  ],
  [
    'nodes of static NodePools stay',
    { pool: make.nodePool('general', { replicas: 2, disruption: { consolidateAfter: '0s' } }) },
    leave('NodeNotReady', /static/),
  ],
  [
    'a node that is not ready stays',
    { node: make.node('c', { ready: false }) },
    leave('NodeNotReady', /ready/),
  ],
  ['budgets are kept to', { allowed: () => 0 }, { ...leave('DisruptionBudget', /general/), retryMs: 15_000 }],
  [
    'room for pods that wait is kept',
    { neededFor: () => 'its room is needed for pod a/b, which waits' },
    { ...leave('RoomNeeded', /a\/b/), retryMs: 30_000 },
  ],
  ['a pod that runs keeps it', { pods: [make.pod('p')] }, leave('NodeNotEmpty', /shop\/p runs/)],
  [
    'a pod that ends keeps it until it has ended',
    { pods: [make.pod('p', { deletionTimestamp: 'x' })] },
    leave('NodeNotEmpty', /shop\/p is still ending/),
  ],
  [
    'pods that have ended, of DaemonSets and of the kubelet do not',
    {
      pods: [
        { ...make.pod('done'), status: { phase: 'Succeeded' } },
        make.pod('ds', { ownerReferences: [...DAEMON] }),
        make.pod('static', { annotations: { [MIRROR_POD]: 'x' }, ownerReferences: [] }),
      ],
    },
    { kind: 'mark' },
  ],
  [
    'a pod of a DaemonSet that must not be disturbed does',
    {
      pods: [
        make.pod('ds', {
          ownerReferences: [...DAEMON],
          annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true' },
        }),
      ],
    },
    leave('NodeProtected', /do-not-disrupt/),
  ],
  ['a pod on its way saves it', { promised: () => [make.pod('p')] }, leave('NodeNominated', /shop\/p/)],
  [
    'a pod that came saves it and takes the taint off',
    { claim: marked(), node: closed(5), pods: [make.pod('p')] },
    { kind: 'reopen', reason: 'NodeNotEmpty' },
  ],
  ['a volume that is being made saves it', { volumes: () => ['a/data'] }, leave('VolumeBinding', /a\/data/)],
  [
    'a node of a plan is left to it',
    { claim: claimWith({ annotations: { [IN_USE_BY]: 'plan/uid' } }) },
    leave('NodeInUse', /RebalancePlan plan/),
  ],
  ['one that a running plan names too', { isPlanned: true }, leave('NodeInUse', /running plan/)],
  [
    "a user's mark on the node keeps it",
    { node: make.node('c', { annotations: { [REMOVAL_DISABLED]: 'true' } }) },
    leave('NodeProtected', /removal-disabled/),
  ],
  [
    'the evictor hands a node over',
    { node: make.node('c', HANDED_OVER), pool: pool({ consolidateAfter: 'Never' }), allowed: () => 0 },
    { kind: 'mark', path: 'evicted' },
  ],
  [
    'not one that it has not cordoned',
    {
      node: make.node('c', { labels: HANDED_OVER.labels }),
      pool: pool({ consolidateAfter: 'Never' }),
    },
    { kind: 'none' },
  ],
  [
    'nor one that a pod came to',
    { node: make.node('c', HANDED_OVER), claim: claimWith({}, { conditions: [] }), pods: [make.pod('p')] },
    leave('NodeNotEmpty', /shop\/p/, 'evicted'),
  ],
  [
    'an expired node goes with its pods, past budgets',
    {
      claim: claimWith({}, { expireAfter: '60s' }),
      pods: [make.pod('p')],
      allowed: () => 0,
      pool: undefined,
    },
    { kind: 'mark', path: 'expired' },
  ],
  [
    'at once when it is marked',
    { claim: marked({ expireAfter: '60s' }), pods: [make.pod('p')] },
    { kind: 'delete', path: 'expired' },
  ],
  ['not before', { claim: claimWith({}, { expireAfter: '61s', conditions: [] }) }, { kind: 'none' }],
  [
    'not while a plan has it',
    { claim: claimWith({ annotations: { [IN_USE_BY]: 'plan/uid' } }, { expireAfter: '60s' }) },
    leave('NodeInUse', /plan/, 'expired'),
  ],
  [
    'not with do-not-disrupt on it: that is left to Karpenter',
    {
      claim: claimWith({}, { expireAfter: '60s' }),
      node: make.node('c', { annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true' } }),
    },
    leave('NodeProtected', /do-not-disrupt/, 'expired'),
  ],
];

for (const [name, o, expected] of CASES) {
  t.test(name, async (t) => {
    t.match(decide(facts(o)), expected);
  });
}
