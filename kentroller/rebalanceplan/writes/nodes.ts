import {
  DRAINING,
  KARPENTER_DO_NOT_DISRUPT,
  PREPARING_TAINT,
  REBALANCING_STATUS,
} from '../../../api/labels.ts';
import { NODE_CLAIMS, NODES } from '../../../api/resources.ts';
import { getOrUndefined } from '../../../kube/ignore.ts';
import { CORDONED_BY, DRAIN_FAILED, DRAINING_REBALANCING, LOCK_KEEPS, LOCKED_BY } from '../state/labels.ts';
import { type StepOf, type Writer, writeIfThere } from './writer.ts';

/** Patches of nodes: lock, cordon and reservation. */

const patchNode = (w: Writer, node: string, body: object): Promise<void> =>
  writeIfThere(w.client.patch(NODES, { name: node }, body, { signal: w.signal }));

export const lockNode = (w: Writer, plan: string, step: StepOf<'lock'>): Promise<void> =>
  patchNode(w, step.node, {
    metadata: {
      annotations: {
        [KARPENTER_DO_NOT_DISRUPT]: 'true',
        [LOCKED_BY]: plan,
        ...(step.keeps && { [LOCK_KEEPS]: 'true' }),
      },
    },
  });

export const unlockNode = (w: Writer, step: StepOf<'unlock'>): Promise<void> =>
  patchNode(w, step.node, {
    metadata: {
      annotations: {
        ...(!step.keeps && { [KARPENTER_DO_NOT_DISRUPT]: null }),
        [LOCKED_BY]: null,
        [LOCK_KEEPS]: null,
      },
    },
  });

export const cordonNode = (w: Writer, plan: string, step: StepOf<'cordon'>): Promise<void> =>
  patchNode(w, step.node, {
    metadata: { labels: { [DRAINING]: DRAINING_REBALANCING }, annotations: { [CORDONED_BY]: plan } },
    spec: { unschedulable: true },
  });

export const uncordonNode = (w: Writer, step: StepOf<'uncordon'>): Promise<void> =>
  patchNode(w, step.node, {
    metadata: {
      labels: { [DRAINING]: null, ...(step.drainFailed && { [REBALANCING_STATUS]: DRAIN_FAILED }) },
      annotations: { [CORDONED_BY]: null },
    },
    spec: { unschedulable: null },
  });

/** The NodeClaim first: Karpenter copies its annotations to the node. */
export const releaseNode = async (w: Writer, step: StepOf<'release'>): Promise<void> => {
  const annotations = step.keeps ? {} : { [KARPENTER_DO_NOT_DISRUPT]: null };
  const claim = { name: step.claim };
  await writeIfThere(w.client.patch(NODE_CLAIMS, claim, { metadata: { annotations } }, { signal: w.signal }));
  const node = await getOrUndefined(w.client.get(NODES, { name: step.node }, { signal: w.signal }));
  if (!node) return;
  const taints = (node.spec?.taints ?? []).filter((t) => t.key !== PREPARING_TAINT);
  const { resourceVersion } = node.metadata;
  const metadata = { annotations, resourceVersion };
  await patchNode(w, step.node, { metadata, spec: { taints: taints.length > 0 ? taints : null } });
};
