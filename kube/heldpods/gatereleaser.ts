import { setTimeout as sleep } from 'node:timers/promises';
import type { Counter, Registry } from 'prom-client';
import { type HoldJudge, isGated } from '../../api/heldpods.ts';
import { PIN_HELD, PIN_NODE } from '../../api/labels.ts';
import type { Node, Pod } from '../../api/objects.ts';
import { NODES, PODS } from '../../api/resources.ts';
import { type Cache, createCache } from '../cache/cache.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { counter } from '../component/metrics.ts';
import { LeaseObserver } from '../election/leaseobserver.ts';
import { isConflict, isNotFound, messageOf } from '../errors.ts';
import { getOrUndefined } from '../ignore.ts';
import { removeGate } from './gates.ts';

const TICK_MS = 1_000;
/** A successor takes a released Lease within a second. */
const SUCCESSOR_MS = 4_000;
const SUCCESSOR_LOOK_MS = 200;

export interface GateReleaserOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics: Registry;
  readonly judge: HoldJudge;
  readonly nodeOf: (name: string, signal: AbortSignal) => Promise<Node | undefined>;
  /** Lease of the pod pinner's leader, which lands held pods. */
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Our own identity on that Lease, if we may be its holder. */
  readonly identity: string;
  readonly now: () => number;
}

/** A Node reader for a component without a Node cache: each Node is fetched at most once per `everyMs`. */
export const nodesByName = (
  client: KubeClient,
  o: { readonly now: () => number; readonly everyMs: number },
): GateReleaserOptions['nodeOf'] => {
  const known = new Map<string, { readonly node: Node | undefined; readonly at: number }>();
  return async (name, signal) => {
    const { now, everyMs } = o;
    for (const [key, { at }] of known) if (now() - at >= everyMs) known.delete(key);
    const found = known.get(name);
    if (found) return found.node;
    const node = await getOrUndefined(client.get(NODES, { name }, { signal }));
    known.set(name, { node, at: now() });
    return node;
  };
};

/**
 * Releases held pods that the pod pinner's leader has abandoned, in every replica of ours, leading or not. It watches
 * held pods only, and sends no request while there are none.
 */
export class GateReleaser {
  readonly #o: GateReleaserOptions;
  readonly #pods: Cache<Pod>;
  readonly #leaseObserver: LeaseObserver;
  readonly #released: Counter;
  readonly #dueSince = new Map<string, number>();

  constructor(o: GateReleaserOptions) {
    this.#o = o;
    const { client, log, metrics } = o;
    this.#pods = createCache({
      client,
      log: log.child({ of: 'held' }),
      resource: PODS,
      labelSelector: PIN_HELD,
      fieldSelector: 'spec.nodeName=',
    });
    this.#leaseObserver = new LeaseObserver(o);
    this.#released = counter(
      metrics,
      'pin_gates_lifted_total',
      'Gates that a standby replica removed; the log has the reasons',
      [],
    );
  }

  /** Watches held pods until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    this.#pods.start(signal);
    while (!signal.aborted) {
      await sleep(TICK_MS * (0.9 + 0.2 * Math.random()), undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.#look(signal).catch((error: unknown) => this.#warn(error, signal));
    }
  }

  /**
   * Releases all held pods before an orderly end, if nobody else leads the pod pinner. Takes a few seconds at most, and
   * none when no pod is held.
   */
  async leave(signal: AbortSignal): Promise<void> {
    const { identity, now } = this.#o;
    try {
      const until = now() + SUCCESSOR_MS;
      while (this.#held().length > 0 && now() < until) {
        if (await this.#leaseObserver.isHeldByAnother(identity, signal)) return;
        await sleep(SUCCESSOR_LOOK_MS, undefined, { signal });
      }
      const reason = 'the last replica that could land it is stopping';
      await Promise.all(this.#held().map((pod) => this.#release(pod, reason, signal)));
    } catch (error) {
      this.#warn(error, signal);
    }
  }

  #held(): readonly Pod[] {
    return this.#pods.list().filter((pod) => isGated(pod) && !pod.metadata.deletionTimestamp);
  }

  async #look(signal: AbortSignal): Promise<void> {
    const held = this.#held();
    if (held.length === 0) {
      this.#leaseObserver.forget();
      this.#dueSince.clear();
      return;
    }
    const { judge, now } = this.#o;
    const leaderlessMs = await this.#leaseObserver.vacantMs(signal);
    const nodes = await this.#nodesOf(held, signal);
    const uids = new Set(held.map(({ metadata }) => metadata.uid ?? ''));
    for (const uid of this.#dueSince.keys()) if (!uids.has(uid)) this.#dueSince.delete(uid);
    const releases = held.flatMap((pod) => {
      const reason = judge.liftReason({
        pod,
        leaderlessMs,
        couldMs: this.#couldMs(pod, nodes),
        heldMs: now() - Date.parse(pod.metadata.creationTimestamp ?? ''),
      });
      return reason ? [this.#release(pod, reason, signal)] : [];
    });
    await Promise.all(releases);
  }

  #couldMs(pod: Pod, nodes: ReadonlyMap<string, Node>): number | undefined {
    const { judge, now } = this.#o;
    const uid = pod.metadata.uid ?? '';
    const node = nodes.get(pod.metadata.annotations?.[PIN_NODE] ?? '');
    if (!node || !judge.isDue(pod, node)) {
      this.#dueSince.delete(uid);
      return undefined;
    }
    const since = this.#dueSince.get(uid) ?? now();
    this.#dueSince.set(uid, since);
    return now() - since;
  }

  async #nodesOf(pods: readonly Pod[], signal: AbortSignal): Promise<ReadonlyMap<string, Node>> {
    const names = new Set(pods.flatMap(({ metadata }) => metadata.annotations?.[PIN_NODE] ?? []));
    const found = await Promise.all([...names].map((name) => this.#o.nodeOf(name, signal)));
    return new Map(found.flatMap((node) => (node ? [[node.metadata.name, node] as const] : [])));
  }

  async #release(pod: Pod, reason: string, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#o;
    try {
      await removeGate(client, pod, { signal });
    } catch (error) {
      // Landed or released by another process, or changed meanwhile: the next look decides.
      if (isConflict(error) || isNotFound(error)) return;
      throw error;
    }
    this.#released.inc();
    const { namespace, name, annotations } = pod.metadata;
    log.info({ pod: `${namespace}/${name}`, node: annotations?.[PIN_NODE], reason }, 'gate released');
  }

  #warn(error: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    const reason = messageOf(error);
    this.#o.log.warn({ reason }, 'cannot check held pods');
  }
}
