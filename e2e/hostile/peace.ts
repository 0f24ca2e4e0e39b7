import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import { NODE_POOLS, NODES, POD_DISRUPTION_BUDGETS, PODS } from '../../api/resources.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { USER_ANNOTATION, USER_TAINT } from './marks.ts';
import { annotate, patchNode, type Scene, scale } from './scene.ts';

/** How the hostile user ends a round. */

/** Takes away what would keep pods from running, nodes from draining or plans from ending. */
export const giveIn = async (scene: Scene): Promise<void> => {
  const { client, name: namespace, apps } = scene;
  const budgets = [{ nodes: '100%' }];
  await client.patch(NODE_POOLS, { name: namespace }, { spec: { limits: null, disruption: { budgets } } });
  for (const name of apps) {
    await client.delete(POD_DISRUPTION_BUDGETS, { name, namespace }).catch(ignoreNotFound);
    await scale(scene, name, 4);
  }
  for (const { metadata } of (await client.list(PODS, { namespace })).items) {
    const { name } = metadata;
    await client
      .patch(PODS, { name, namespace }, annotate(KARPENTER_DO_NOT_DISRUPT, null))
      .catch(ignoreNotFound);
  }
};

/** Takes all marks of the user off the nodes, so that the next plan may have them. */
export const tidyNodes = async (scene: Scene): Promise<true> => {
  const { items } = await scene.client.list(NODES, {
    labelSelector: `karpenter.sh/nodepool=${scene.name}`,
  });
  for (const node of items.filter(({ metadata }) => !metadata.deletionTimestamp)) {
    const taints = (node.spec?.taints ?? []).filter(({ key }) => key !== USER_TAINT.key);
    const annotations = { [KARPENTER_DO_NOT_DISRUPT]: null, [USER_ANNOTATION]: null };
    await patchNode(scene, node, { metadata: { annotations }, spec: { taints, unschedulable: null } });
    scene.marks.takeAll(node);
  }
  return true;
};

/** Ends all pods at once: machines that the user took away would not report their ends for minutes. */
export const leave = async ({ client, name: namespace, apps }: Scene): Promise<void> => {
  for (const app of apps) await scale({ client, name: namespace }, app, 0);
  const { items } = await client.list(PODS, { namespace });
  await Promise.all(
    items.map(({ metadata: { name } }) =>
      client.delete(PODS, { name, namespace }, { gracePeriodSeconds: 0 }).catch(ignoreNotFound),
    ),
  );
};
