import type { AutoscalerPolicy } from '../api/kinds/autoscalerpolicy.ts';
import type { RebalancePlan } from '../api/kinds/rebalanceplan.ts';
import type { ConfigMap, MutatingWebhookConfiguration } from '../api/objects.ts';
import { isRunning } from '../api/plans.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS } from '../api/resources.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { awaitChange, type Controller, watches } from '../kube/controller/controller.ts';
import { isSpotWebhook } from './certificates/path.ts';
import type { JsonPatchOperation } from './jsonpatch.ts';

interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

/** The match condition that keeps the API server from calling the webhook while no plan runs. */
export const NEVER_MATCHES: MatchCondition = { name: 'a-plan-runs', expression: 'false' };

/** The one that keeps it from asking for pods' sides while no rules on spot are in force. */
export const NO_SPOT_RULES: MatchCondition = { name: 'spot-rules-are-in-force', expression: 'false' };

/** Which of our webhooks the API server should call. */
export interface WantedCalls {
  readonly pins: boolean;
  readonly sides: boolean;
}

const matchConditionsOf = (webhook: { readonly [key: string]: unknown }): readonly MatchCondition[] =>
  (webhook.matchConditions as readonly MatchCondition[] | undefined) ?? [];

const OURS: readonly string[] = [NEVER_MATCHES.name, NO_SPOT_RULES.name];

/** The patch that adds or removes our match conditions and keeps those of others; empty when nothing changes. */
export const decideMatchConditions = (
  configuration: MutatingWebhookConfiguration,
  calls: WantedCalls,
): readonly JsonPatchOperation[] => {
  const changes = (configuration.webhooks ?? []).flatMap((webhook, index): JsonPatchOperation[] => {
    const conditions = matchConditionsOf(webhook);
    const others = conditions.filter(({ name }) => !OURS.includes(name));
    const isSpot = isSpotWebhook(webhook);
    const isCallWanted = isSpot ? calls.sides : calls.pins;
    const wanted = isCallWanted ? others : [...others, isSpot ? NO_SPOT_RULES : NEVER_MATCHES];
    // A keeper of an earlier release gives all webhooks the condition on plans.
    const isSame = wanted.map(({ name }) => name).join() === conditions.map(({ name }) => name).join();
    return isSame ? [] : [{ op: 'add', path: `/webhooks/${index}/matchConditions`, value: wanted }];
  });
  const { resourceVersion } = configuration.metadata;
  return changes.length > 0
    ? [{ op: 'test', path: '/metadata/resourceVersion', value: resourceVersion }, ...changes]
    : [];
};

/**
 * Has the API server call us only while a plan runs and pinning at admission is enabled, and for pods' sides while rules are in
 * force: an idle cluster never waits for us.
 */
export const createMatchConditionController = (o: {
  readonly client: KubeClient;
  readonly configurationName: string;
  readonly plans: Cache<RebalancePlan>;
  readonly configurations: Cache<MutatingWebhookConfiguration>;
  /** Whether pinning at admission is enabled; `configMaps` are those that may change it. */
  readonly isEnabled: () => boolean;
  readonly configMaps: readonly Cache<ConfigMap>[];
  /** Whether rules on spot are in force; the policies or `configMaps` may change it. */
  readonly hasSpotRules: () => boolean;
  readonly policies: Cache<AutoscalerPolicy>;
  readonly log: Logger;
}): Controller => {
  const KEY = 'match-condition';
  return {
    name: 'configuration.matchcondition',
    sources: [
      watches(o.plans, () => [KEY]),
      watches(o.configurations, () => [KEY]),
      watches(o.policies, () => [KEY]),
      ...o.configMaps.map((cache) => watches(cache, () => [KEY])),
    ],
    reconcile: async (_key, signal) => {
      const configuration = o.configurations.get(o.configurationName);
      if (!configuration) return awaitChange;
      const calls = { pins: o.isEnabled() && o.plans.list().some(isRunning), sides: o.hasSpotRules() };
      const operations = decideMatchConditions(configuration, calls);
      if (operations.length === 0) return awaitChange;
      const ref = { name: o.configurationName };
      await o.client.patch(MUTATING_WEBHOOK_CONFIGURATIONS, ref, operations, { type: 'json', signal });
      o.log.info(
        { isPlanRunning: calls.pins, hasSpotRules: calls.sides },
        calls.pins || calls.sides
          ? 'webhook enabled at the API server'
          : 'webhook disabled at the API server',
      );
      return awaitChange;
    },
  };
};
