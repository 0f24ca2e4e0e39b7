import t from 'tap';
import type { DaemonSet, Pod, Taint, Toleration } from '../../api/objects.ts';
import { missingDaemonSets } from './daemonset.ts';

const set = (
  name: string,
  o: { tolerations?: readonly Toleration[]; spec?: object; metadata?: object } = {},
) =>
  ({
    metadata: { name, namespace: 'system', uid: `${name}-uid`, ...o.metadata },
    spec: { template: { spec: { containers: [], tolerations: o.tolerations ?? [], ...o.spec } } },
  }) as DaemonSet;

/** A pod of a DaemonSet as its controller makes it. */
const podOf = (name: string, o: { node?: string; isBound?: boolean; phase?: string } = {}) =>
  ({
    metadata: {
      name: `${name}-pod`,
      ownerReferences: [{ kind: 'DaemonSet', name, uid: `${name}-uid`, controller: true }],
    },
    spec: {
      containers: [],
      ...(o.isBound !== false && { nodeName: o.node ?? 'n' }),
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              { matchFields: [{ key: 'metadata.name', operator: 'In', values: [o.node ?? 'n'] }] },
            ],
          },
        },
      },
    },
    status: { phase: o.phase ?? 'Running' },
  }) as unknown as Pod;

const GPU: Taint = { key: 'nvidia.com/gpu', value: 'true', effect: 'NoSchedule' };
const CORDON: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const onGpus = [{ key: 'nvidia.com/gpu', operator: 'Exists', effect: 'NoSchedule' } as const];

type Row = readonly [
  string,
  {
    readonly sets: readonly DaemonSet[];
    readonly taints?: readonly Taint[];
    readonly pods?: readonly Pod[];
    readonly pending?: readonly Pod[];
  },
  readonly string[],
];

const ROWS: readonly Row[] = [
  ['a DaemonSet without a pod is missing', { sets: [set('agent')] }, ['agent']],
  ['one whose pod is bound is not', { sets: [set('agent')], pods: [podOf('agent')] }, []],
  [
    'one whose pod was refused by the kubelet is',
    { sets: [set('agent')], pods: [podOf('agent', { phase: 'Failed' })] },
    ['agent'],
  ],
  ['a cordon keeps none off', { sets: [set('agent')], taints: [CORDON] }, ['agent']],
  ["a taint that it doesn't tolerate keeps it off", { sets: [set('agent')], taints: [GPU] }, []],
  [
    'one that tolerates the taints of its nodes is missing',
    { sets: [set('plugin', { tolerations: onGpus })], taints: [GPU, CORDON] },
    ['plugin'],
  ],
  [
    'one that selects other nodes is not',
    { sets: [set('agent', { spec: { nodeSelector: { a: 'b' } } })] },
    [],
  ],
  [
    'a second pod that waits for the node is missing, as in a rolling update that surges',
    { sets: [set('agent')], pods: [podOf('agent')], pending: [podOf('agent', { isBound: false })] },
    ['agent'],
  ],
  [
    'a pod that waits for another node is not',
    {
      sets: [set('agent')],
      pods: [podOf('agent')],
      pending: [podOf('agent', { isBound: false, node: 'other' })],
    },
    [],
  ],
  [
    'a DaemonSet that is being deleted is not missing',
    { sets: [set('agent', { metadata: { deletionTimestamp: '2026-11-29T12:00:00Z' } })] },
    [],
  ],
];

for (const [name, { sets, taints = [], pods = [], pending = [] }, expected] of ROWS) {
  t.test(name, async (t) => {
    const node = { name: 'n', labels: {}, taints, pods };
    t.same(
      missingDaemonSets(sets, node, pending).map(({ metadata }) => metadata.name),
      expected,
    );
  });
}
