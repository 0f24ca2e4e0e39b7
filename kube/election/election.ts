import { setTimeout as sleep } from 'node:timers/promises';
import type { Lease } from '../../api/objects.ts';
import { LEASES } from '../../api/resources.ts';
import { linkedController } from '../abort.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { FencedError, isAlreadyExists, isConflict, messageOf } from '../errors.ts';
import { getOrUndefined } from '../ignore.ts';
import { Fence } from './fence.ts';

export interface ElectionOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly name: string;
  /** Unique among the candidates, such as the pod's name. */
  readonly identity: string;
  /** Milliseconds that others wait for a silent leader; 15 s. */
  readonly leaseDurationMs?: number;
  /** Milliseconds that the leader goes on, and writes, without a renewal; 10 s. */
  readonly renewDeadlineMs?: number;
  /** Interval of renewals and of looks at the Lease; 2 s. */
  readonly retryPeriodMs?: number;
  readonly signal: AbortSignal;
  readonly log: Logger;
  /**
   * The leader's work; its signal aborts when leadership is lost. Its client checks right before each write that the
   * Lease was renewed in time, and throws FencedError otherwise, so that a frozen process does not write when it wakes.
   */
  readonly onLeader: (signal: AbortSignal, client: KubeClient) => Promise<void>;
  /** Annotations for the Lease, such as the leader's address; other annotations stay. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Called with each new holder, including ourselves. */
  readonly onChange?: (holder: string) => void;
}

interface Timing {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

class Candidate {
  readonly #o: ElectionOptions;
  readonly #timing: Timing;
  readonly #fence: Fence;
  readonly #fenced: KubeClient;
  // The Lease as last seen, and how long on our clock it has not changed. Clocks of others are never compared.
  #seen: Lease | undefined;
  #seenAt = 0;
  #holder: string | undefined;

  constructor(o: ElectionOptions) {
    this.#o = o;
    this.#timing = {
      leaseDurationMs: o.leaseDurationMs ?? 15_000,
      renewDeadlineMs: o.renewDeadlineMs ?? 10_000,
      retryPeriodMs: o.retryPeriodMs ?? 2000,
    };
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.#timing;
    if (leaseDurationMs <= renewDeadlineMs || renewDeadlineMs <= retryPeriodMs)
      throw new RangeError('a Lease needs leaseDuration > renewDeadline > retryPeriod');
    this.#fence = new Fence(renewDeadlineMs);
    this.#fenced = o.client.guarded(this.#fence.check);
  }

  async run(): Promise<void> {
    const { signal } = this.#o;
    while (!signal.aborted) {
      if (await this.#acquire()) await this.#lead();
      if (signal.aborted) return;
      const jitter = 1 + Math.random() * 0.2;
      await sleep(this.#waitMs() * jitter, undefined, { signal }).catch(() => {});
    }
  }

  /** Delay until the next look: none when the Lease runs out or is free. */
  #waitMs(): number {
    const { leaseDurationMs, retryPeriodMs } = this.#timing;
    // A released Lease should be found within a second.
    const period = Math.min(retryPeriodMs, 600);
    const isHeld = this.#seen?.spec?.holderIdentity && this.#holder !== this.#o.identity;
    if (!isHeld) return period;
    const runsOutIn = leaseDurationMs - (performance.now() - this.#seenAt);
    return Math.max(10, Math.min(period, runsOutIn + 1));
  }

  #observe(lease: Lease | undefined): void {
    if (lease?.metadata.resourceVersion !== this.#seen?.metadata.resourceVersion || !this.#seen)
      this.#seenAt = performance.now();
    this.#seen = lease;
    const holder = lease?.spec?.holderIdentity ?? '';
    if (holder !== this.#holder) {
      this.#holder = holder;
      this.#o.onChange?.(holder);
    }
  }

  /** Writes the Lease with our name; the resourceVersion excludes concurrent writers. */
  async #write(client: KubeClient, spec: NonNullable<Lease['spec']>, signal: AbortSignal): Promise<void> {
    const { namespace, name } = this.#o;
    const at = this.#seen;
    const annotations = { ...at?.metadata.annotations, ...this.#o.annotations };
    const lease = at
      ? await client.replace(LEASES, { ...at, metadata: { ...at.metadata, annotations }, spec }, { signal })
      : await client.create(LEASES, { metadata: { name, namespace, annotations }, spec }, { signal });
    this.#observe(lease);
  }

  #ourSpec(): NonNullable<Lease['spec']> {
    const spec = this.#seen?.spec;
    const now = microTime(Date.now());
    const isOurs = spec?.holderIdentity === this.#o.identity;
    return {
      holderIdentity: this.#o.identity,
      leaseDurationSeconds: Math.ceil(this.#timing.leaseDurationMs / 1000),
      acquireTime: isOurs ? (spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (spec?.leaseTransitions ?? 0) + (isOurs || !spec ? 0 : 1),
    };
  }

  #isFree(): boolean {
    const spec = this.#seen?.spec;
    if (!spec?.holderIdentity || spec.holderIdentity === this.#o.identity) return true;
    const duration = Math.max(this.#timing.leaseDurationMs, (spec.leaseDurationSeconds ?? 0) * 1000);
    return performance.now() - this.#seenAt > duration;
  }

  async #acquire(): Promise<boolean> {
    const { client, namespace, name, log } = this.#o;
    const signal = AbortSignal.any([this.#o.signal, AbortSignal.timeout(this.#timing.renewDeadlineMs)]);
    try {
      const lease = await getOrUndefined(client.get(LEASES, { name, namespace }, { signal }));
      this.#observe(lease);
      if (!this.#isFree()) return false;
      const from = Fence.now();
      await this.#write(client, this.#ourSpec(), signal);
      this.#fence.open(from);
      return true;
    } catch (e) {
      if (this.#o.signal.aborted) return false;
      if (!isConflict(e) && !isAlreadyExists(e))
        log.warn({ lease: name, reason: messageOf(e) }, 'cannot get the lease');
      return false;
    }
  }

  /** Renews until the deadline passes without success, then throws. */
  async #keepRenewing(signal: AbortSignal): Promise<void> {
    const { log, name } = this.#o;
    while (!signal.aborted) {
      await sleep(this.#timing.retryPeriodMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      const left = this.#fence.leftMs();
      if (left <= 0) throw new FencedError('the lease was not renewed in time');
      const from = Fence.now();
      try {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(Math.ceil(left))]);
        await this.#write(this.#fenced, this.#ourSpec(), deadline);
        this.#fence.open(from);
      } catch (e) {
        if (signal.aborted) return;
        if (isConflict(e) || e instanceof FencedError) await this.#checkHolder(signal);
        log.warn({ lease: name, reason: messageOf(e) }, 'cannot renew the lease');
      }
    }
  }

  /** Recovers from a conflict if the Lease still names us: it was our own write, whose answer was lost. */
  async #checkHolder(signal: AbortSignal): Promise<void> {
    const { client, namespace, name, identity } = this.#o;
    const lease = await client.get(LEASES, { name, namespace }, { signal }).catch(() => undefined);
    if (!lease) return;
    this.#observe(lease);
    if (lease.spec?.holderIdentity !== identity) throw new FencedError('the lease is held by another');
  }

  async #lead(): Promise<void> {
    const { log, name, identity, onLeader } = this.#o;
    const term = new AbortController();
    const { controller, unlink } = linkedController(this.#o.signal, term.signal);
    const { signal } = controller;
    const watchdog = new AbortController();
    log.info({ lease: name, identity }, 'became leader');
    const work = onLeader(signal, this.#fenced);
    const renewal = linkedController(term.signal, watchdog.signal);
    const renewing = this.#keepRenewing(renewal.controller.signal).catch((e: unknown) => {
      log.warn({ lease: name, reason: messageOf(e) }, 'leadership lost');
      this.#fence.close();
      term.abort(e);
    });
    try {
      await work;
    } catch (e) {
      if (!term.signal.aborted && !this.#o.signal.aborted) throw e;
    } finally {
      watchdog.abort();
      await renewing;
      unlink();
      await this.#release();
    }
  }

  /** Releases the Lease, so that the next leader need not wait; only while it is certainly ours. */
  async #release(): Promise<void> {
    if (this.#fence.leftMs() <= 0) return;
    const { log, name } = this.#o;
    const guard = this.#fence;
    const spec = { ...this.#ourSpec(), holderIdentity: '', leaseDurationSeconds: 1 };
    try {
      const deadline = AbortSignal.timeout(Math.min(2000, Math.ceil(guard.leftMs())));
      await this.#write(this.#fenced, spec, deadline);
      log.info({ lease: name }, 'released the lease');
    } catch (e) {
      log.warn({ lease: name, reason: messageOf(e) }, 'cannot release the lease');
    } finally {
      guard.close();
    }
  }
}

/**
 * Campaigns for a Lease until the signal aborts, and again after each loss. Rejects with the leader's error; resolves
 * when the work has ended and the Lease is released.
 */
export const runElected = async (o: ElectionOptions): Promise<void> => {
  await new Candidate(o).run();
};
