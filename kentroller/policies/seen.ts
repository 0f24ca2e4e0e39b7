import { setTimeout as sleep } from 'node:timers/promises';
import { AUTOSCALER_POLICY, type AutoscalerPolicy } from '../../api/kinds/autoscalerpolicy.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { Cache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import { FEATURES_CONFIG_MAP } from '../../kube/features/record.ts';
import { getOrUndefined } from '../../kube/ignore.ts';

/** Key of the ConfigMap of features: whether an AutoscalerPolicy was there when it was last read. */
const KEY = 'policySeen';
const FIELD_MANAGER = 'castai-kentroller-policies';
const LOOK_MS = 1_000;

export interface SeenPolicy {
  /** Whether an AutoscalerPolicy was there when any leader last read them; undefined while nobody knows. */
  wasSeen(): boolean | undefined;
  /** One look at the record and at the cache, whose news are recorded; failures are logged. */
  look(): Promise<void>;
  /** Looks on and on until the signal aborts. */
  follow(): Promise<void>;
}

/** Remembers for leaders that may not read AutoscalerPolicies whether there was one to go by. */
export const rememberSeen = (o: {
  readonly client: Pick<KubeClient, 'get' | 'apply'>;
  readonly namespace: string;
  readonly cache: Pick<Cache<AutoscalerPolicy>, 'get' | 'absence' | 'hasSynced'>;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly lookMs?: number;
}): SeenPolicy => {
  const { client, namespace, cache, log, signal, lookMs = LOOK_MS } = o;
  const metadata = { name: FEATURES_CONFIG_MAP, namespace };
  let stored: boolean | undefined;
  let failing = '';
  let isTold = false;
  const isThere = (): boolean => cache.get(AUTOSCALER_POLICY) !== undefined;

  const step = async (): Promise<void> => {
    if (stored === undefined) {
      const map = await getOrUndefined(client.get(CONFIG_MAPS, metadata, { signal }));
      stored = map?.data?.[KEY] === 'true';
    }
    if (cache.absence === 'forbidden' && !stored && !isThere() && !isTold) {
      isTold = true;
      log.warn(
        {},
        'AutoscalerPolicies may not be read, and none was ever seen: nothing is bought or kept by them until list and watch on autoscalerpolicies are granted',
      );
    }
    if (!cache.hasSynced || cache.absence !== undefined || isThere() === stored) return;
    const seen = isThere();
    const data = { [KEY]: String(seen) };
    await client.apply(CONFIG_MAPS, { metadata, data }, { fieldManager: FIELD_MANAGER, force: true, signal });
    stored = seen;
  };
  const look = async (): Promise<void> => {
    try {
      await step();
      failing = '';
    } catch (error) {
      const reason = messageOf(error);
      if (!signal.aborted && reason !== failing)
        log.warn({ reason }, 'whether there is an AutoscalerPolicy was not recorded');
      failing = reason;
    }
  };
  return {
    wasSeen: () => isThere() || stored,
    look,
    follow: async () => {
      while (!signal.aborted) {
        await look();
        await sleep(lookMs, undefined, { signal }).catch(() => {});
      }
    },
  };
};
