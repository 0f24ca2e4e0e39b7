import type { Logger } from '../../kube/component/log.ts';
import { type Caches, nodeOf } from '../caches.ts';
import type { NodeNameCache } from '../cloud/nodenamecache.ts';
import type { ExtraIntents } from './extraintents.ts';
import type { IntentRegistry } from './intentregistry.ts';
import { deriveIntents } from './intents.ts';

/** Changes within this time are published as one. */
const BATCH_MS = 20;

/** Fills the registry at once, then after each change of the cluster until the signal aborts. Needs synced caches. */
export const publishIntents = (o: {
  readonly intentRegistry: IntentRegistry;
  readonly caches: Pick<Caches, 'plans' | 'pods' | 'nodes' | 'nodeClaims'>;
  readonly nodeNames: NodeNameCache;
  readonly joinDeadlineMs: number;
  readonly extraIntents: ExtraIntents;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): void => {
  const { intentRegistry, caches, nodeNames, log } = o;
  let timer: NodeJS.Timeout | undefined;
  const publish = (): void => {
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
      log.info({ changed: changed.length, version: intentRegistry.version }, 'intents changed');
  };
  const schedulePublish = (): void => {
    timer ??= setTimeout(publish, BATCH_MS);
  };
  const subscriptions = [
    caches.plans.onChange(schedulePublish),
    caches.nodeClaims.onChange(schedulePublish),
    caches.nodes.onChange((change) => {
      // Only an added or deleted Node changes an intent; heartbeats do not.
      if (change.type !== 'update') schedulePublish();
    }),
    nodeNames.onChange(schedulePublish),
    o.extraIntents.onChange(schedulePublish),
  ];
  o.signal.addEventListener(
    'abort',
    () => {
      for (const stop of subscriptions) stop();
      clearTimeout(timer);
    },
    { once: true },
  );
  publish();
};
