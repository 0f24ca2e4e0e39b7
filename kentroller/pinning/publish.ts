import type { Intent } from '../../api/pinning.ts';
import { givesSlots } from '../../api/plans.ts';
import type { Logger } from '../../kube/component/log.ts';
import { type Caches, nodeOf } from '../caches.ts';
import type { NodeNameCache } from '../cloud/nodenamecache.ts';
import type { PlanSlots } from '../softpins/planslots.ts';
import { DerivedIntents } from './derivedintents.ts';
import type { ExtraIntents } from './extraintents.ts';
import type { IntentRegistry } from './intentregistry.ts';
import { waitingPodsOf } from './intents.ts';

/** Changes within this time are published as one. */
const BATCH_MS = 20;

/** Fills the registry at once, then after each change of the cluster until the signal aborts. Needs synced caches. */
export const publishIntents = (o: {
  readonly intentRegistry: IntentRegistry;
  readonly caches: Pick<Caches, 'plans' | 'pods' | 'nodes' | 'nodeClaims'>;
  readonly nodeNames: NodeNameCache;
  readonly joinDeadlineMs: number;
  readonly extraIntents: ExtraIntents;
  /** Where the slots of plans go while pods are steered by policy; the pinner is told of none then. */
  readonly soft?: {
    readonly slots: PlanSlots;
    readonly isOn: () => boolean;
    readonly onChange: (handler: () => void) => unknown;
  };
  readonly log: Logger;
  readonly signal: AbortSignal;
}): void => {
  const { intentRegistry, caches, nodeNames, log } = o;
  const derived = new DerivedIntents({
    claim: (name) => caches.nodeClaims.get(name),
    node: (claim) => nodeOf(caches, claim),
    nodeNamed: (name) => caches.nodes.get(name),
    pod: (namespace, name) => caches.pods.get(`${namespace}/${name}`),
    nodeName: (providerID) => nodeNames.get(providerID),
    joinDeadlineMs: o.joinDeadlineMs,
  });
  let timer: NodeJS.Timeout | undefined;
  let waiting: ReadonlySet<string> = new Set();
  const publish = (): void => {
    timer = undefined;
    const plans = caches.plans.list();
    const planned = derived.of(plans);
    waiting = waitingPodsOf(plans);
    const complete = new Set(plans.filter(givesSlots).map(({ metadata }) => metadata.name));
    const isSoft = o.soft?.isOn() ?? false;
    const isSlot = ({ pin }: Intent): boolean => pin?.owner !== undefined;
    o.soft?.slots.replaceAll(isSoft ? planned.filter(isSlot) : []);
    const pinned = isSoft ? planned.filter((intent) => !isSlot(intent)) : planned;
    const changed = intentRegistry.replaceAll([...pinned, ...o.extraIntents.list()], complete);
    if (changed.length > 0)
      log.info({ changed: changed.length, version: intentRegistry.version }, 'intents changed');
  };
  const schedulePublish = (): void => {
    timer ??= setTimeout(publish, BATCH_MS);
  };
  const subscriptions = [
    caches.plans.onChange(schedulePublish),
    caches.nodeClaims.onChange(schedulePublish),
    caches.pods.onChange(({ type, object: { metadata } }) => {
      // An intent names a waiting pod by its uid, which only its creation and its deletion change.
      if (type !== 'update' && waiting.has(`${metadata.namespace}/${metadata.name}`)) schedulePublish();
    }),
    caches.nodes.onChange((change) => {
      // Only a Node that comes, goes, or gets its machine's id changes an intent; heartbeats do not.
      const hasNewId =
        change.type === 'update' && change.old.spec?.providerID !== change.object.spec?.providerID;
      if (change.type !== 'update' || hasNewId) schedulePublish();
    }),
    nodeNames.onChange(schedulePublish),
    o.extraIntents.onChange(schedulePublish),
  ];
  o.soft?.onChange(schedulePublish);
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
