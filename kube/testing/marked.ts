import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import * as labels from '../../api/labels.ts';
import type { Node, NodeClaim, NodePool, Pod } from '../../api/objects.ts';
import type { Inventory } from '../undo/inventory.ts';

/** Objects with and without marks of ours, for tests of the clean-up. */

export const DND = { [labels.KARPENTER_DO_NOT_DISRUPT]: 'true' };
export const RESERVED = { key: labels.PREPARING_TAINT, value: 'true', effect: 'NoSchedule' as const };
export const OTHER = { key: 'gpu', effect: 'NoSchedule' as const };

export type Meta = Partial<Node['metadata']>;

export const node = (metadata: Meta = {}, spec: Node['spec'] = {}, hasKubelet = true): Node => ({
  metadata: { name: 'n', uid: 'n-uid', resourceVersion: '7', ...metadata },
  spec: { providerID: 'id', ...spec },
  ...(hasKubelet && { status: { nodeInfo: { kubeletVersion: 'v1' } } }),
});
export const claim = (metadata: Meta = {}): NodeClaim => ({
  metadata: { name: 'c', uid: 'c-uid', ...metadata },
  spec: { nodeClassRef: { group: 'g', kind: 'K', name: 'd' }, requirements: [] },
  status: { providerID: 'id' },
});
const OWNED = { [labels.OWNED_BY]: 'plan/plan-uid' };

/** A NodeClaim that the plan ordered, and its Node; reserved where the annotations say so. */
export const green = (annotations: Meta['annotations'] = DND): NodeClaim =>
  claim({
    labels: { [labels.PLAN]: 'plan', [labels.KARPENTER_NODEPOOL]: 'pool' },
    annotations: { ...annotations, ...OWNED },
  });
export const greenNode = (hasKubelet = true): Node =>
  node(
    { labels: { [labels.PLAN]: 'plan' }, annotations: { ...DND, ...OWNED } },
    { taints: [OTHER, RESERVED] },
    hasKubelet,
  );
export const pod = (
  metadata: Meta = {},
  spec: Partial<Pod['spec']> = {},
  status: Pod['status'] = {},
): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'p-uid', resourceVersion: '3', ...metadata },
  spec: { containers: [], ...spec },
  status,
});
export const plan = (
  state: NonNullable<RebalancePlan['status']>['state'],
  phase: 'Creation' | 'Deletion' = 'Creation',
  finalizers: readonly string[] = [labels.PLAN_FINALIZER, 'test.example/other'],
): RebalancePlan =>
  ({
    metadata: { name: 'plan', uid: 'plan-uid', resourceVersion: '5', finalizers },
    spec: { execute: true },
    status: {
      state,
      ...(phase === 'Deletion' && {
        nodesDeletion: {
          old: { name: 'old', events: [{ status: 'InProgress', timestamp: '2026-11-29T12:00:00Z' }] },
        },
      }),
    },
  }) as RebalancePlan;
export const guardedPool: NodePool = {
  metadata: { name: 'pool' },
  spec: {
    template: {
      metadata: { annotations: DND },
      spec: { nodeClassRef: { group: 'g', kind: 'K', name: 'd' }, requirements: [] },
    },
  },
};

export const inventory = (o: Partial<Inventory>): Inventory => ({
  plans: [],
  migrations: [],
  nodes: [],
  nodeClaims: [],
  nodePools: [],
  pods: [],
  replicaSets: [],
  unread: [],
  ...o,
});
