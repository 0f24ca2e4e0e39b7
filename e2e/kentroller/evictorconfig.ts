import { EVICTOR_CONFIG, type EvictorSpec, type EvictorStatus } from '../../api/kinds/evictorconfig.ts';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { KARPENTER_NODEPOOL } from '../../api/labels.ts';
import type { NodeClaim } from '../../api/objects.ts';
import { EVICTOR_CONFIGS, NODE_CLAIMS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';

/** The EvictorConfig of a suite: its settings, what its status says, and what is left of a NodePool. */

export const SOON = { timeoutMs: 120_000, everyMs: 300 };

export interface EvictorActs {
  /** Changes settings, and waits for the first cycle that goes by them. */
  settle(spec: EvictorSpec): Promise<EvictorStatus>;
  /** Waits until the status is as asked; the error says what it was last. */
  said(what: string, is: (status: EvictorStatus) => boolean): Promise<EvictorStatus>;
  machines(): Promise<readonly NodeClaim[]>;
  /** Waits until the NodePool has so many machines; the error says what the plans did. */
  leaves(count: number): Promise<readonly NodeClaim[]>;
  plans(): Promise<readonly RebalancePlan[]>;
}

const ref = { name: EVICTOR_CONFIG };

/** Whether nodes stay for a reason: each of those named, else any. */
export const keeps =
  (reason: RegExp, nodes?: readonly string[]) =>
  ({ skippedNodes = [] }: EvictorStatus): boolean => {
    const kept = skippedNodes.filter(({ reasons }) => reasons.some((each) => reason.test(each)));
    const names = new Set(kept.map(({ name }) => name));
    return nodes ? nodes.every((name) => names.has(name)) : names.size > 0;
  };

export const evictorOf = (client: KubeClient, pool: string): EvictorActs => {
  const said: EvictorActs['said'] = (what, is) =>
    until(
      what,
      async () => {
        const { status = {} } = await client.get(EVICTOR_CONFIGS, ref);
        if (!is(status)) throw new Error(`the status is ${JSON.stringify(status)}`);
        return status;
      },
      SOON,
    );
  const machines: EvictorActs['machines'] = async () =>
    (await client.list(NODE_CLAIMS, { labelSelector: `${KARPENTER_NODEPOOL}=${pool}` })).items;
  const plans: EvictorActs['plans'] = async () => (await client.list(REBALANCE_PLANS)).items;
  return {
    settle: async (spec) => {
      const { metadata } = await client.patch(EVICTOR_CONFIGS, ref, { spec });
      const { generation = 0 } = metadata;
      return said(
        `a cycle by ${JSON.stringify(spec)}`,
        ({ observedGeneration = 0 }) => observedGeneration >= generation,
      );
    },
    said,
    machines,
    leaves: (count) =>
      until(
        `${count} machines are left`,
        async () => {
          const left = await machines();
          if (left.length === count) return left;
          const states = (await plans()).map(({ metadata, status }) => `${metadata.name} ${status?.state}`);
          throw new Error(`${left.length} machines, plans: ${states.join(', ')}`);
        },
        SOON,
      ),
    plans,
  };
};
