import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import * as resources from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';
import { claimRebalance, planOf } from '../support/claim.ts';
import { PODS } from './stage.ts';

/** Actions of tests on a plan: have it made, start it, pause it in the middle. */
export interface Acts {
  /** A claim whose plan waits for approval. */
  planned(name: string, pool: string): Promise<RebalancePlan>;
  letGo(plan: RebalancePlan): Promise<unknown>;
  /** Keeps every pod of an app, of the scene's where none is named, from being evicted; returns what allows it again. */
  holdPods(
    namespace: string,
    o?: { readonly app: string; readonly pods: number },
  ): Promise<() => Promise<void>>;
  /** Keeps deleted pods terminating; returns what lets them go. Karpenter is not held up. */
  keepGoing(namespace: string): Promise<() => Promise<void>>;
}

const HOLD = 'test.example/hold';

export const isDraining = (plan: RebalancePlan): boolean =>
  Object.keys(plan.status?.nodesDeletion ?? {}).length > 0;

export const isOrdering = (plan: RebalancePlan): boolean =>
  Object.values(plan.status?.nodesCreation ?? {}).some(({ attempts }) => attempts.length > 0);

export const actsWith = (client: KubeClient): Acts => ({
  planned: async (name, pool) => {
    await claimRebalance(client, { name, pool, spec: { autoExecute: false } });
    return planOf(client, name);
  },
  letGo: (plan) =>
    client.patch(resources.REBALANCE_PLANS, { name: plan.metadata.name }, { spec: { execute: true } }),
  holdPods: async (namespace, { app, pods } = { app: 'app', pods: PODS }) => {
    await client.create(resources.POD_DISRUPTION_BUDGETS, {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: app, namespace },
      spec: { selector: { matchLabels: { app } }, minAvailable: pods } as object,
    });
    return () => client.delete(resources.POD_DISRUPTION_BUDGETS, { name: app, namespace });
  },
  keepGoing: async (namespace) => {
    const { items } = await client.list(resources.PODS, { namespace });
    const refs = items.map(({ metadata }) => ({ name: metadata.name, namespace }));
    const set = (finalizers: readonly string[] | null) =>
      Promise.all(refs.map((ref) => client.patch(resources.PODS, ref, { metadata: { finalizers } })));
    await set([HOLD]);
    return async () => void (await set(null));
  },
});

/** Waits for a Kubernetes event with this reason about one of these objects. */
export const eventOf = (client: KubeClient, reason: string, names: readonly string[], timeoutMs: number) =>
  until(
    `an event ${reason}`,
    async () => {
      const { items } = await client.list(resources.EVENTS, { fieldSelector: `reason=${reason}` });
      return items.find((event) => names.includes(event.involvedObject?.name ?? ''));
    },
    { timeoutMs, everyMs: 500 },
  );
