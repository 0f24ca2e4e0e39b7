import type { Features } from '../../api/features.ts';
import type { Options } from '../options.ts';

/** Settings of replacement before expiry; times in milliseconds. */
export interface ExpirySettings {
  readonly enabled: boolean;
  /** Time before a node's expiry from which on it is replaced. */
  readonly leadMs: number;
  /** Nodes that are replaced at once. */
  readonly maxNodes: number;
  readonly maxPricePercent: number;
}

/** The options, overridden by the features ConfigMap; off while the rebalancer is. */
export const expirySettings = (o: Options, features: Features): ExpirySettings => {
  const f = features.expiryReplacement ?? {};
  return {
    enabled:
      (f.enabled ?? o.expiryReplacementEnabled) && (features.rebalancer?.enabled ?? o.rebalancerEnabled),
    leadMs: f.leadTimeSeconds === undefined ? o.expiryReplacementLeadTime : f.leadTimeSeconds * 1000,
    maxNodes: f.maxNodes ?? o.expiryReplacementMaxNodes,
    maxPricePercent: f.maxPricePercent ?? o.expiryReplacementMaxPricePercent,
  };
};
