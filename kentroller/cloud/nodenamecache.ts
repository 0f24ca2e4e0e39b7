import type { Cloud } from '../../cloud/cloud.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';

const RETRY_MS = 1_000;
/** Names kept before the cache is emptied. */
const MAX_NAMES = 10_000;

/** Names of Nodes that have not joined yet. Unknown names are requested from the cloud in one call. */
export interface NodeNameCache {
  /** The name; undefined until the cloud has answered. */
  get(providerID: string): string | undefined;
  onChange(listener: () => void): () => void;
}

export const createNodeNameCache = (o: {
  readonly cloud: Cloud;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): NodeNameCache => {
  const known = new Map<string, string>();
  const missing = new Set<string>();
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;

  const fetchMissing = async (): Promise<void> => {
    const ids = [...missing];
    try {
      const found = await o.cloud.nodeNames(ids);
      if (known.size > MAX_NAMES) known.clear();
      for (const [id, name] of found) {
        known.set(id, name);
        missing.delete(id);
      }
      if (found.size > 0) for (const listener of listeners) listener();
    } catch (error) {
      const reason = messageOf(error);
      o.log.warn({ reason, machines: ids.length }, 'node names could not be read from the cloud, retrying');
    }
    timer = undefined;
    if (missing.size > 0) scheduleFetch(RETRY_MS);
  };
  const scheduleFetch = (afterMs: number): void => {
    if (o.signal.aborted) return;
    timer ??= setTimeout(() => void fetchMissing(), afterMs);
  };
  o.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });

  return {
    get: (providerID) => {
      const name = known.get(providerID);
      if (name === undefined) {
        missing.add(providerID);
        scheduleFetch(0);
      }
      return name;
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};
