import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';
import type { Logger } from '../../kube/component/log.ts';
import type { AuditEntry, AuditSink } from './trail.ts';

/**
 * Sends the audit trail to `<API_URL>/v1/clusters/<CLUSTER_ID>/audit`: POST of `{ "entries": [...], "dropped": n }`,
 * oldest first, where `dropped` counts entries that were lost since the last batch that arrived. Anything from 200 to
 * 299 is an arrival; 408, 429, 5xx and silence are tried again, with what Retry-After asks for; any other answer drops
 * the batch. An entry may arrive twice, under the same id.
 */

export interface AuditSenderOptions {
  readonly url: string;
  readonly apiKey: string;
  readonly clusterId: string;
  readonly log: Logger;
  readonly metrics?: Registry;
  /** Entries kept while nobody takes them; then the oldest go. */
  readonly maxWaiting?: number;
  readonly batch?: number;
  /** Milliseconds in which entries gather before they are sent. */
  readonly gatherMs?: number;
  readonly firstWaitMs?: number;
  readonly timeoutMs?: number;
}

export interface AuditSender extends AuditSink {
  readonly waiting: number;
  /** Sends what is left, for so many milliseconds at most. */
  close(withinMs?: number): Promise<void>;
}

/** At most 2.5 KB an entry. */
const MAX_WAITING = 4000;
const BATCH = 200;
const GATHER_MS = 500;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
const TIMEOUT_MS = 10_000;
const CLOSE_MS = 1_000;

type Arrival =
  | { readonly kind: 'arrived' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'again'; readonly reason: string; readonly afterMs: number };

const isTemporary = (status: number): boolean => status === 408 || status === 429 || status >= 500;

class HttpAuditSender implements AuditSender {
  readonly #o: AuditSenderOptions;
  readonly #url: string;
  readonly #queue: AuditEntry[] = [];
  readonly #counted: Counter<'outcome'> | undefined;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #wake: () => void = () => {};
  #dropped = 0;
  #isClosed = false;

  constructor(o: AuditSenderOptions) {
    this.#o = o;
    this.#url = `${o.url.replace(/\/+$/, '')}/v1/clusters/${encodeURIComponent(o.clusterId)}/audit`;
    if (o.metrics) {
      const help = 'Entries of the audit trail for the remote API: sent, or dropped';
      const registers = [o.metrics];
      this.#counted = new Counter({
        name: 'kentroller_audit_entries_total',
        help,
        labelNames: ['outcome'],
        registers,
      });
      const queue = this.#queue;
      new Gauge({
        name: 'kentroller_audit_entries_waiting',
        help: 'Entries of the audit trail that the remote API has not taken yet',
        registers,
        collect() {
          this.set(queue.length);
        },
      });
    }
    this.#ended = this.#run();
  }

  get waiting(): number {
    return this.#queue.length;
  }

  add(entry: AuditEntry): void {
    if (this.#isClosed) return;
    this.#queue.push(entry);
    if (this.#queue.length > (this.#o.maxWaiting ?? MAX_WAITING)) {
      this.#queue.shift();
      this.#drop(1);
    }
    this.#wake();
  }

  async close(withinMs = CLOSE_MS): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    const timer = setTimeout(() => this.#closing.abort(), withinMs);
    await this.#ended;
    clearTimeout(timer);
  }

  #drop(count: number): void {
    this.#dropped += count;
    this.#counted?.inc({ outcome: 'dropped' }, count);
  }

  async #run(): Promise<void> {
    const first = this.#o.firstWaitMs ?? FIRST_WAIT_MS;
    let waitMs = first;
    for (;;) {
      while (this.#queue.length === 0) {
        if (this.#isClosed) return;
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#wake = resolve;
        await promise;
      }
      if (!this.#isClosed) await this.#rest(this.#o.gatherMs ?? GATHER_MS);
      // Taken out, so that what comes meanwhile can't push entries away that are on their way.
      const batch = this.#queue.splice(0, this.#o.batch ?? BATCH);
      const answer = await this.#post(batch);
      if (this.#closing.signal.aborted) return;
      if (answer.kind === 'again') {
        const room = (this.#o.maxWaiting ?? MAX_WAITING) - this.#queue.length;
        const kept = batch.slice(Math.max(0, batch.length - room));
        this.#queue.unshift(...kept);
        this.#drop(batch.length - kept.length);
        this.#o.log.warn({ url: this.#url, reason: answer.reason }, 'audit trail is not taken, trying again');
        await this.#rest(Math.max(answer.afterMs, waitMs));
        waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
        continue;
      }
      waitMs = first;
      if (answer.kind === 'refused') {
        this.#drop(batch.length);
        this.#o.log.warn(
          { url: this.#url, reason: answer.reason, entries: batch.length },
          'audit trail is refused: check API_URL, API_KEY and CLUSTER_ID',
        );
      }
    }
  }

  async #rest(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
  }

  async #post(entries: readonly AuditEntry[]): Promise<Arrival> {
    const { apiKey, clusterId, timeoutMs = TIMEOUT_MS } = this.#o;
    const dropped = this.#dropped;
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}),
          ...(clusterId ? { 'x-cluster-id': clusterId } : {}),
        },
        body: JSON.stringify({ entries, dropped }),
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closing.signal]),
      });
      await response.arrayBuffer();
      if (response.ok) {
        this.#dropped -= dropped;
        this.#counted?.inc({ outcome: 'sent' }, entries.length);
        return { kind: 'arrived' };
      }
      const reason = `HTTP ${response.status}`;
      const seconds = Number(response.headers.get('retry-after'));
      return isTemporary(response.status)
        ? { kind: 'again', reason, afterMs: seconds > 0 ? seconds * 1000 : 0 }
        : { kind: 'refused', reason };
    } catch (error) {
      const { cause } = error as Error;
      const reason = cause instanceof Error ? cause.message : (error as Error).message;
      return { kind: 'again', reason, afterMs: 0 };
    }
  }
}

export const createAuditSender = (o: AuditSenderOptions): AuditSender => new HttpAuditSender(o);
