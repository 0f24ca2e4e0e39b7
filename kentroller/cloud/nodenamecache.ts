import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Cloud } from './cloud.ts';

const RETRY_MS = 1_000;
const MAX_KEPT = 10_000;

/** Names of Nodes that have not joined yet; asks the cloud for those it does not know, all at once. */
export interface NodeNameCache {
  /** The name, or undefined while the cloud is asked. */
  get(providerID: string): string | undefined;
  onChange(listener: () => void): () => void;
}

export const createNodeNameCache = (o: {
  readonly cloud: Cloud;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): NodeNameCache => {
  const known = new Map<string, string>();
  const wanted = new Set<string>();
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;

  const ask = async (): Promise<void> => {
    const ids = [...wanted];
    try {
      const found = await o.cloud.nodeNames(ids);
      if (known.size > MAX_KEPT) known.clear();
      for (const [id, name] of found) {
        known.set(id, name);
        wanted.delete(id);
      }
      if (found.size > 0) for (const listener of listeners) listener();
    } catch (error) {
      const reason = messageOf(error);
      o.log.warn({ reason, machines: ids.length }, 'names of machines are not known yet');
    }
    timer = undefined;
    if (wanted.size > 0) plan(RETRY_MS);
  };
  const plan = (afterMs: number): void => {
    if (o.signal.aborted) return;
    timer ??= setTimeout(() => void ask(), afterMs);
  };
  o.signal.addEventListener('abort', () => clearTimeout(timer), { once: true });

  return {
    get: (providerID) => {
      const name = known.get(providerID);
      if (name === undefined) {
        wanted.add(providerID);
        plan(0);
      }
      return name;
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
};
