import t from 'tap';
import {
  CORDONED_BEFORE,
  CORDONED_BY,
  NODE_CLAIM,
  OPEN_TO_DAEMONSETS,
  PREPARING_TAINT,
  UNSCHEDULABLE,
} from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { decidePlaceholder, type PlaceholderFacts } from './decide.ts';

/** Nodes that are reserved by a cordon for the sake of their DaemonSets. */

const NOW = Date.parse('2030-01-01T00:00:00Z');
const PROVIDER = 'aws:///us-west-2a/i-1';
const CORDON = { key: UNSCHEDULABLE, effect: 'NoSchedule' } as const;
const TEAM = { key: 'team', effect: 'NoSchedule' } as const;

const openToDaemonSets = (annotations: Record<string, string> = {}): Node => ({
  metadata: {
    name: 'n',
    creationTimestamp: '2030-01-01T00:00:00Z',
    labels: {},
    annotations: {
      [CORDONED_BY]: 'plan/uid',
      [CORDONED_BEFORE]: '{}',
      [OPEN_TO_DAEMONSETS]: 'true',
      ...annotations,
    },
  },
  spec: { providerID: PROVIDER, unschedulable: true, taints: [TEAM, CORDON] },
  status: { nodeInfo: { kubeletVersion: 'v1.36.3' } },
});

const intent: Intent = {
  id: 'node/n',
  plan: 'plan',
  nodeClaim: 'claim',
  nodeName: 'n',
  node: {
    providerId: PROVIDER,
    labels: {},
    annotations: {},
    taints: [{ key: PREPARING_TAINT, value: 'true', effect: 'NoSchedule' }],
    capacity: {},
    allocatable: {},
    joinDeadlineMs: NOW + 60_000,
    nodeClaimUid: 'uid',
  },
};

const patchFor = (node: Node, change: Partial<PlaceholderFacts> = {}): unknown => {
  const step = decidePlaceholder({
    name: 'n',
    intent: undefined,
    node,
    pods: [],
    hasPins: false,
    hasFullState: true,
    isDisabled: false,
    now: NOW,
    ...change,
  });
  return step.kind === 'patch' ? step.patch : step.kind;
};

const MARKED = { [NODE_CLAIM]: 'claim' };
const UNMARKED = { [CORDONED_BY]: null, [CORDONED_BEFORE]: null, [OPEN_TO_DAEMONSETS]: null };

t.test('a node that no plan reserves any more loses our cordon', async (t) => {
  const expected = { metadata: { annotations: UNMARKED }, spec: { unschedulable: null, taints: [TEAM] } };
  t.same(patchFor(openToDaemonSets(MARKED)), expected);
  t.same(patchFor(openToDaemonSets(MARKED), { hasFullState: false, isDisabled: true }), expected);
});

t.test('a cordon that was there before ours stays', async (t) => {
  const node = openToDaemonSets({ ...MARKED, [CORDONED_BEFORE]: '{"unschedulable":true}' });
  t.same(patchFor(node), { metadata: { annotations: UNMARKED }, spec: { taints: [TEAM, CORDON] } });
});

t.test(
  'a cordon is left alone while pins go to its node, where it drains it, and on nodes of others',
  async (t) => {
    t.equal(patchFor(openToDaemonSets(MARKED), { hasPins: true }), 'none');
    t.equal(patchFor(openToDaemonSets()), 'none');
  },
);

t.test('a node that is reserved by a cordon gets no taint beside it', async (t) => {
  const patch = patchFor(openToDaemonSets(), { intent });
  t.match(patch, { metadata: { annotations: MARKED } });
  t.notMatch(patch, { spec: { taints: [] } });
});
