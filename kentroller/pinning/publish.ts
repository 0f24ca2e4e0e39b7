import type { Logger } from '../../kube/component/log.ts';
import { type Caches, nodeOf } from '../caches.ts';
import type { NodeNameCache } from '../cloud/nodenamecache.ts';
import type { ExtraIntents } from './extraintents.ts';
import type { IntentRegistry } from './intentregistry.ts';
import { deriveIntents } from './intents.ts';

const TOGETHER_MS = 20;

/**
 * Posts what holds now, then keeps the board in step with the cluster until the signal aborts; changes close together
 * are taken as one. The caches must have synced.
 */
export const publishIntents = (o: {
  readonly intentRegistry: IntentRegistry;
  readonly caches: Caches;
  readonly nodeNames: NodeNameCache;
  readonly joinDeadlineMs: number;
  /** Intents that come of no plan. */
  readonly extraIntents: ExtraIntents;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): void => {
  const { intentRegistry, caches, nodeNames, log } = o;
  let timer: NodeJS.Timeout | undefined;
  const replaceAll = (): void => {
    timer = undefined;
    const changed = intentRegistry.replaceAll([
      ...deriveIntents({
        plans: caches.plans.list(),
        claim: (name) => caches.nodeClaims.get(name),
        node: (claim) => nodeOf(caches, claim),
        pod: (namespace, name) => caches.pods.get(`${namespace}/${name}`),
        nodeName: (providerID) => nodeNames.get(providerID),
        joinDeadlineMs: o.joinDeadlineMs,
      }),
      ...o.extraIntents.list(),
    ]);
    if (changed.length > 0)
      log.info({ changed: changed.length, version: intentRegistry.version }, 'pins changed');
  };
  const soon = (): void => {
    timer ??= setTimeout(replaceAll, TOGETHER_MS);
  };
  const unsubscribe = [
    caches.plans.onChange(soon),
    caches.nodeClaims.onChange(soon),
    caches.nodes.onChange((change) => {
      // Heartbeats change nothing here; a Node that comes or goes does.
      if (change.type !== 'update') soon();
    }),
    nodeNames.onChange(soon),
    o.extraIntents.onChange(soon),
  ];
  o.signal.addEventListener(
    'abort',
    () => {
      for (const end of unsubscribe) end();
      clearTimeout(timer);
    },
    { once: true },
  );
  replaceAll();
};
