import t from 'tap';
import { KARPENTER_CAPACITY_TYPE, SPOT_PERCENTAGE, SPOT_PLACE } from '../../../api/labels.ts';
import type { Pod } from '../../../api/objects.ts';
import type { SpotRules } from '../../../api/spotpods/rules.ts';
import { hasWish } from '../../../api/spotpods/wish.ts';
import { withSides } from './sides.ts';

const RULES: SpotRules = { mode: 'preferred', rules: [{ namespaces: ['shop'], percentage: 60 }] };
const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u', controller: true };
const pod = (name: string, annotations: Record<string, string> = {}, nodeName?: string): Pod => ({
  metadata: { name, namespace: 'shop', uid: name, ownerReferences: [owner], annotations },
  spec: { containers: [{ name: 'c' }], ...(nodeName !== undefined && { nodeName }) },
});
const coming = (count: number, annotations: Record<string, string> = {}): readonly Pod[] =>
  Array.from({ length: count }, (_, i) => pod(`to-come-${i}`, annotations));
const given = { nodes: [], rules: RULES, schedulers: undefined };
const onSpot = (pods: readonly Pod[]): number => pods.filter((each) => hasWish(each, 'spot')).length;

t.test('replicas to come are bought for as the webhook will create them', async (t) => {
  const pods = [pod('a', { [SPOT_PLACE]: 'on-demand-0' }), pod('b', { [SPOT_PLACE]: 'spot-0' })];
  const sided = withSides(coming(8), { ...given, pods });
  t.equal(onSpot(sided), 5, 'six of ten are on spot, with the one that is');
  t.equal(sided.filter((each) => hasWish(each, 'on-demand')).length, 3);
});

t.test('pods without a place count by their node, and a workload may say its own percentage', async (t) => {
  const nodes = [{ metadata: { name: 'cheap', labels: { [KARPENTER_CAPACITY_TYPE]: 'spot' } } }];
  const pods = [pod('a', {}, 'cheap'), pod('b', {}, 'cheap')];
  t.equal(onSpot(withSides(coming(2), { ...given, nodes, pods })), 0);
  const own = withSides(coming(2, { [SPOT_PERCENTAGE]: '100' }), { ...given, nodes, pods });
  t.equal(onSpot(own), 2);
});

t.test('without rules, or in another namespace, they stay as their template has them', async (t) => {
  const pods = coming(3);
  t.equal(withSides(pods, { ...given, pods: [], rules: undefined }), pods);
  const rules: SpotRules = { mode: 'preferred', rules: [{ namespaces: ['blog'], percentage: 60 }] };
  t.same(withSides(pods, { ...given, pods: [], rules }), pods);
});
