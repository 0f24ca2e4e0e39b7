import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { KARPENTER_DO_NOT_DISRUPT, OWNED_BY, PLAN_FINALIZER, PREPARING_TAINT } from '../../api/labels.ts';
import type { KubeObject, Node, NodePool, Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, NODE_POOLS, NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { Process } from '../testing/process.ts';

/** The fault of machines that stay guarded for good: a user removes the finalizer of the plan that added them. */

const TAINTS = [{ key: PREPARING_TAINT, value: 'true', effect: 'NoSchedule' as const }];
const MARK = 'gone/gone-uid';
const annotations = make.reservedBy(MARK);
const CLAIM = make.nodeClaim('green', { annotations });
const NODE = make.node('green', { annotations, spec: { taints: TAINTS } });
const COMING = make.node('green', { annotations, spec: { taints: TAINTS }, ready: false });
const OPENED = make.node('green', { annotations });
const BARE: Pod = {
  ...make.pod('bare', { ownerReferences: [] }),
  spec: { containers: [], nodeName: 'node-green' },
};
const guarded: NodePool = make.nodePool('general', {
  template: {
    ...make.nodePool().spec.template,
    metadata: { annotations: { [KARPENTER_DO_NOT_DISRUPT]: 'true' } },
  },
});

interface Scene {
  readonly node?: Node;
  readonly pods?: readonly Pod[];
  readonly pool?: NodePool;
  /** Pods that only the API server knows of. */
  readonly latePods?: readonly Pod[];
  readonly isPlanThere?: boolean;
}

const guardsOf = (object: KubeObject | undefined): readonly string[] | undefined =>
  object &&
  [KARPENTER_DO_NOT_DISRUPT, OWNED_BY].filter((key) => object.metadata.annotations?.[key] !== undefined);

/** What is left of the machine once the controller has looked at it a few times. */
const leftOf = async (scene: Scene) => {
  const api = new MemoryApi({ now: () => make.NOW });
  const plan = scene.isPlanThere
    ? api.create(REBALANCE_PLANS, {
        ...make.plan(),
        metadata: { name: 'gone', finalizers: [PLAN_FINALIZER] },
      })
    : undefined;
  const own = plan ? make.reservedBy(`gone/${plan.metadata.uid}`) : annotations;
  const marked = <T extends KubeObject>(object: T): T => ({
    ...object,
    metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, ...own } },
  });
  api.create(NODE_POOLS, scene.pool ?? make.nodePool());
  api.create(NODE_CLAIMS, marked(CLAIM));
  api.patch(NODE_CLAIMS, { name: 'green' }, { status: CLAIM.status }, { subresource: 'status' });
  if (scene.node) api.create(NODES, marked(scene.node));
  for (const pod of scene.pods ?? []) api.create(PODS, pod);
  const process = new Process(api, () => make.NOW);
  const deliver = (): void => {
    for (let all = process.deliveries(); all.length > 0; all = process.deliveries()) all[0]?.();
  };
  deliver();
  for (const pod of scene.latePods ?? []) api.create(PODS, pod);
  for (let pass = 0; pass < 3; pass += 1) {
    for (const begin of process.reconciles([], ['green'])) begin();
    for (let turn = 0; turn < 50; turn += 1) {
      process.requests.shift()?.();
      await setImmediate();
    }
    if (!scene.latePods) deliver();
  }
  const node = api.find(NODES, { name: 'node-green' });
  return {
    claim: guardsOf(api.find(NODE_CLAIMS, { name: 'green' })),
    node: guardsOf(node),
    isTainted: (node?.spec?.taints ?? []).length > 0,
    pods: api.pods().length,
  };
};

const BOTH = [KARPENTER_DO_NOT_DISRUPT, OWNED_BY];
const CASES: readonly (readonly [string, Scene, Partial<Awaited<ReturnType<typeof leftOf>>>])[] = [
  [
    'a machine that runs a pod is opened',
    { node: NODE, pods: [BARE] },
    { claim: [], node: [], isTainted: false, pods: 1 },
  ],
  ['an empty machine is given up', { node: NODE }, { claim: undefined }],
  ['a machine that has not come is given up', {}, { claim: undefined }],
  [
    'one that has not joined is given up after its pods',
    { node: COMING, pods: [BARE] },
    { claim: undefined, pods: 0 },
  ],
  ['an empty machine that was opened is left to Karpenter', { node: OPENED }, { claim: [], node: [] }],
  ['a machine stays that got a pod a moment ago', { node: NODE, latePods: [BARE] }, { claim: BOTH, pods: 1 }],
  [
    'do-not-disrupt stays where the NodePool asks for it',
    { node: NODE, pods: [BARE], pool: guarded },
    { claim: [KARPENTER_DO_NOT_DISRUPT], node: [KARPENTER_DO_NOT_DISRUPT], isTainted: false },
  ],
  [
    "a machine whose plan exists is the plan's",
    { node: NODE, isPlanThere: true },
    { claim: BOTH, node: BOTH, isTainted: true },
  ],
];

for (const [name, scene, expected] of CASES) {
  t.test(name, async (t) => {
    const left = await leftOf(scene);
    t.same({ ...left, ...expected }, left);
  });
}
