import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import type { ConfigMap, MutatingWebhookConfiguration } from '../api/objects.ts';
import { isRunning } from '../api/plans.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS } from '../api/resources.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../kube/controller/controller.ts';
import type { JsonPatchOperation } from './jsonpatch.ts';

interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/** The match condition that keeps the API server from calling the webhook while no plan runs. */
export const NEVER_MATCHES: MatchCondition = { name: 'a-plan-runs', expression: 'false' };

const matchConditionsOf = (webhook: { readonly [key: string]: unknown }): readonly MatchCondition[] =>
  (webhook.matchConditions as readonly MatchCondition[] | undefined) ?? [];

/** The patch that adds or removes our match condition and keeps those of others; empty when nothing changes. */
export const decideMatchConditions = (
  configuration: MutatingWebhookConfiguration,
  isCallWanted: boolean,
): readonly JsonPatchOperation[] => {
  const changes = (configuration.webhooks ?? []).flatMap((webhook, index): JsonPatchOperation[] => {
    const conditions = matchConditionsOf(webhook);
    const others = conditions.filter(({ name }) => name !== NEVER_MATCHES.name);
    const wanted = isCallWanted ? others : [...others, NEVER_MATCHES];
    const isSame = wanted.length === conditions.length;
    return isSame ? [] : [{ op: 'add', path: `/webhooks/${index}/matchConditions`, value: wanted }];
  });
  const { resourceVersion } = configuration.metadata;
  return changes.length > 0
    ? [{ op: 'test', path: '/metadata/resourceVersion', value: resourceVersion }, ...changes]
    : [];
};

/**
 * Has the API server call the webhook only while a plan runs and pinning at admission is enabled: an idle cluster
 * never waits for us.
 */
export const createMatchConditionController = (o: {
  readonly client: KubeClient;
  readonly configurationName: string;
  readonly plans: Cache<RebalancePlan>;
  readonly configurations: Cache<MutatingWebhookConfiguration>;
  /** Whether pinning at admission is enabled; `configMaps` are those that may change it. */
  readonly isEnabled: () => boolean;
  readonly configMaps: readonly Cache<ConfigMap>[];
  readonly log: Logger;
}): Controller => {
  const KEY = 'match-condition';
  return {
    name: 'configuration.matchcondition',
    sources: [
      watches(o.plans, () => [KEY]),
      watches(o.configurations, () => [KEY]),
      ...o.configMaps.map((cache) => watches(cache, () => [KEY])),
    ],
    reconcile: async (_key, signal) => {
      const configuration = o.configurations.get(o.configurationName);
      if (!configuration) return awaitChange;
      const isPlanRunning = o.isEnabled() && o.plans.list().some(isRunning);
      const operations = decideMatchConditions(configuration, isPlanRunning);
      if (operations.length === 0) return awaitChange;
      const ref = { name: o.configurationName };
      await o.client.patch(MUTATING_WEBHOOK_CONFIGURATIONS, ref, operations, { type: 'json', signal });
      o.log.info(
        { isPlanRunning },
        isPlanRunning ? 'webhook enabled at the API server' : 'webhook disabled at the API server',
      );
      return awaitChange;
    },
  };
};
