import t from 'tap';
import type { Condition, Node, Pod } from '../../api/objects.ts';
import { makePod } from '../../planner/testing/builders.ts';
import { isAttributable, type Nominations, staleNominationReason } from './pods.ts';

const NOW = Date.parse('2030-01-01T00:10:00Z');
const UNSCHEDULABLE: readonly Condition[] = [
  { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' },
];
const PATIENT = [{ key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' }];

interface Shape {
  readonly nominated?: string;
  readonly nodeName?: string;
  readonly owner?: string | null;
  readonly conditions?: readonly Condition[];
  readonly spec?: object;
  readonly deleting?: boolean;
}

const pending = (s: Shape = {}): Pod => {
  const pod = makePod('p', { owner: s.owner ?? 'ReplicaSet', ...(s.nodeName && { node: s.nodeName }) });
  return {
    ...pod,
    metadata: { ...pod.metadata, ...(s.deleting && { deletionTimestamp: '2030-01-01T00:00:00Z' }) },
    spec: { ...pod.spec, tolerations: PATIENT, ...s.spec } as Pod['spec'],
    status: {
      phase: 'Pending',
      conditions: s.conditions ?? UNSCHEDULABLE,
      ...(s.nominated && { nominatedNodeName: s.nominated }),
    },
  };
};

const node = (readySince?: string, deleting = false): Node => ({
  metadata: { name: 'n', ...(deleting && { deletionTimestamp: '2030-01-01T00:00:00Z' }) },
  status: {
    conditions: readySince ? [{ type: 'Ready', status: 'True', lastTransitionTime: readySince }] : [],
  },
});

const LONG_AGO = '2030-01-01T00:09:00Z';
const JUST_NOW = '2030-01-01T00:09:55Z';

t.test('pods that are attributed to a machine', async (t) => {
  const rows: readonly (readonly [string, Shape, boolean])[] = [
    ['a pod for which kube-scheduler found no node', {}, true],
    ['not one that it has not looked at yet', { conditions: [] }, false],
    [
      'not one behind a gate',
      { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
      false,
    ],
    ['not one that has its node', { nodeName: 'n' }, false],
    ['not one that is being deleted', { deleting: true }, false],
    ['not one of a DaemonSet', { owner: 'DaemonSet' }, false],
    ['not one that another scheduler places', { spec: { schedulerName: 'volcano' } }, false],
    ['not one of a group', { spec: { schedulingGroup: { podGroupName: 'g' } } }, false],
    ['not one that would be evicted from a node that is not ready', { spec: { tolerations: [] } }, false],
  ];
  for (const [says, shape, expected] of rows) t.equal(isAttributable(pending(shape)), expected, says);
});

t.test('stale nominations are distinguished from useful ones', async (t) => {
  const world = (change: Partial<Nominations> = {}): Nominations => ({
    machines: [],
    hasClaim: () => false,
    node: () => undefined,
    podsOn: () => [],
    now: NOW,
    holdMs: 10_000,
    ...change,
  });
  const nominated = pending({ nominated: 'n' });
  const machine = {
    claim: { metadata: { name: 'c' } },
    nodeName: 'n',
    node: undefined,
  } as unknown as Nominations['machines'][number];
  const rows: readonly (readonly [string, Pod, Partial<Nominations>, string | undefined])[] = [
    ['nothing is nominated', pending(), {}, undefined],
    ['neither its node nor its claim exists', nominated, {}, 'its node does not exist'],
    ['its claim is on its way', nominated, { hasClaim: (name) => name === 'n' }, undefined],
    ['its machine was launched, its Node does not exist yet', nominated, { machines: [machine] }, undefined],
    ['its Node exists', nominated, { node: () => node() }, undefined],
    [
      'its Node is being deleted',
      nominated,
      { node: () => node(undefined, true) },
      'its node is being deleted',
    ],
    ['its node has just become ready', nominated, { node: () => node(JUST_NOW) }, undefined],
    [
      'its node is ready and did not take it',
      nominated,
      { node: () => node(LONG_AGO) },
      'its node is ready and did not take it',
    ],
    [
      'it waits for victims of a preemption',
      nominated,
      { node: () => node(LONG_AGO), podsOn: () => [pending({ nodeName: 'n', deleting: true })] },
      undefined,
    ],
    ['it is bound by now', pending({ nominated: 'n', nodeName: 'n' }), {}, undefined],
  ];
  for (const [says, pod, change, expected] of rows)
    t.equal(staleNominationReason(pod, world(change)), expected, says);
});
