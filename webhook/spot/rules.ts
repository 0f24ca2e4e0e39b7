import type { Features } from '../../api/features.ts';
import { AUTOSCALER_POLICY, type AutoscalerPolicy } from '../../api/kinds/autoscalerpolicy.ts';
import { mergePolicies } from '../../api/kinds/mergepolicies.ts';
import { type SpotRules, spotRulesOf } from '../../api/spotpods/rules.ts';
import type { Cache } from '../../kube/cache/cache.ts';

/**
 * The rules on spot in force at each call, for the webhook and for what keeps its configuration. While nobody knows the policies, or where
 * they make no sense, there are none.
 */
export const readSpotRules = (
  policies: Pick<Cache<AutoscalerPolicy>, 'get' | 'hasSynced' | 'absence'>,
  features: () => Features,
): (() => SpotRules | undefined) => {
  let last:
    | { readonly object: unknown; readonly features: unknown; readonly rules: SpotRules | undefined }
    | undefined;
  return () => {
    if (!policies.hasSynced || policies.absence === 'forbidden') return undefined;
    const [object, current] = [policies.get(AUTOSCALER_POLICY), features()];
    // Each pod that is created asks, and what they are made from seldom changes.
    if (!last || last.object !== object || last.features !== current.policies) {
      const read = mergePolicies(object?.spec ?? {}, current);
      const rules = read.success ? spotRulesOf(read.data) : undefined;
      last = { object, features: current.policies, rules };
    }
    return last.rules;
  };
};
