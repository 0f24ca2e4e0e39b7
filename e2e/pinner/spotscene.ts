import { AUTOSCALER_POLICY } from '../../api/kinds/autoscalerpolicy.ts';
import { SPOT_PLACE } from '../../api/labels.ts';
import type { MutatingWebhookConfiguration, Pod } from '../../api/objects.ts';
import { isLive } from '../../api/pods.ts';
import { AUTOSCALER_POLICIES, MUTATING_WEBHOOK_CONFIGURATIONS, PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { podWebhook, webhookName } from './webhookscene.ts';

/** Both of our webhooks in one configuration of the API server, and rules on spot. */

export interface SpotConfiguration {
  readonly name: string;
  readonly port: number;
  /** Namespaces whose pods go to the webhooks. */
  readonly workloads: readonly string[];
  /** As installed, the webhook for sides comes first. */
  readonly order?: 'sides-first' | 'pins-first';
}

/** The configuration, with our conditions set: nobody is called until the keeper removes them. */
export const configureBoth = async (client: KubeClient, o: SpotConfiguration): Promise<void> => {
  const webhook = (name: string, condition: string) => ({
    // A busy machine takes its time, and what is tested here is the count.
    ...podWebhook(name, { port: o.port, namespaces: o.workloads, timeoutSeconds: 15 }),
    matchConditions: [{ name: condition, expression: 'false' }],
  });
  const both = [
    webhook(`spot.${webhookName(o.name)}`, 'spot-rules-are-in-force'),
    webhook(webhookName(o.name), 'a-plan-runs'),
  ];
  await client.create<MutatingWebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
    metadata: { name: o.name },
    webhooks: o.order === 'pins-first' ? both.reverse() : both,
  });
};

/** Writes the rules on spot, or takes them away. */
export const setSpotPods = (client: KubeClient, spotPods: object | undefined): Promise<unknown> =>
  spotPods === undefined
    ? client.delete(AUTOSCALER_POLICIES, { name: AUTOSCALER_POLICY }).catch(ignoreNotFound)
    : client.apply(
        AUTOSCALER_POLICIES,
        {
          metadata: { name: AUTOSCALER_POLICY },
          spec: { enabled: true, spotInstances: { enabled: true, spotPods } },
        },
        { fieldManager: 'suite', force: true },
      );

/** How many live pods were sent to spot, to on-demand, and nowhere. */
export interface Split {
  readonly spot: number;
  readonly onDemand: number;
  readonly none: number;
}

export const splitOf = (pods: readonly Pod[]): Split => {
  const places = pods.filter(isLive).map(({ metadata }) => metadata.annotations?.[SPOT_PLACE] ?? '');
  const count = (prefix: string): number => places.filter((place) => place.startsWith(prefix)).length;
  return { spot: count('spot-'), onDemand: count('on-demand-'), none: places.filter((p) => p === '').length };
};

/** The split of the pods of a namespace, or of those that a selector finds. */
export const splitIn = async (
  client: KubeClient,
  namespace: string,
  labelSelector?: string,
): Promise<Split> =>
  splitOf((await client.list(PODS, { namespace, ...(labelSelector && { labelSelector }) })).items);
