import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import type { ConfigMap, MutatingWebhookConfiguration } from '../api/objects.ts';
import { isRunning } from '../api/plans.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS } from '../api/resources.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../kube/controller/controller.ts';

/** The match condition that keeps the API server from calling us while no plan runs. */
export const CLOSED = { name: 'a-plan-runs', expression: 'false' } as const;

interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

interface JsonOperation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

const conditionsOf = (webhook: { readonly [key: string]: unknown }): readonly MatchCondition[] =>
  (webhook.matchConditions as readonly MatchCondition[] | undefined) ?? [];

/** What has to change so that the API server calls us if and only if a plan runs; empty when nothing has. */
export const decideDoor = (
  configuration: MutatingWebhookConfiguration,
  isPlanRunning: boolean,
): readonly JsonOperation[] => {
  const changes = (configuration.webhooks ?? []).flatMap((webhook, at): JsonOperation[] => {
    const conditions = conditionsOf(webhook);
    const others = conditions.filter(({ name }) => name !== CLOSED.name);
    const wanted = isPlanRunning ? others : [...others, CLOSED];
    const isSame = wanted.length === conditions.length;
    return isSame ? [] : [{ op: 'add', path: `/webhooks/${at}/matchConditions`, value: wanted }];
  });
  const { resourceVersion } = configuration.metadata;
  return changes.length > 0
    ? [{ op: 'test', path: '/metadata/resourceVersion', value: resourceVersion }, ...changes]
    : [];
};

/**
 * Opens the door when a plan begins and closes it when none runs or pinning at admission is turned off: an idle
 * cluster never waits for us.
 */
export const door = (o: {
  readonly client: KubeClient;
  readonly configurationName: string;
  readonly plans: Cache<RebalancePlan>;
  readonly configurations: Cache<MutatingWebhookConfiguration>;
  /** Whether pods are pinned at admission at all, and the ConfigMaps that may change it. */
  readonly isEnabled: () => boolean;
  readonly configMaps: readonly Cache<ConfigMap>[];
  readonly log: Logger;
}): Controller => {
  const KEY = 'door';
  return {
    name: 'configuration.door',
    sources: [
      watches(o.plans, () => [KEY]),
      watches(o.configurations, () => [KEY]),
      ...o.configMaps.map((cache) => watches(cache, () => [KEY])),
    ],
    reconcile: async (_key, signal) => {
      const configuration = o.configurations.get(o.configurationName);
      if (!configuration) return awaitChange;
      const isPlanRunning = o.isEnabled() && o.plans.list().some(isRunning);
      const operations = decideDoor(configuration, isPlanRunning);
      if (operations.length === 0) return awaitChange;
      const ref = { name: o.configurationName };
      await o.client.patch(MUTATING_WEBHOOK_CONFIGURATIONS, ref, operations, { type: 'json', signal });
      o.log.info({ isPlanRunning }, isPlanRunning ? 'webhook called from now on' : 'webhook at rest');
      return awaitChange;
    },
  };
};
