import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';
import { z } from 'zod';
import { printable } from '../../api/text/printable.ts';
import type { Logger } from '../../kube/component/log.ts';
import { withoutUserinfo } from '../../kube/component/secrettext.ts';
import { messageOf } from '../../kube/errors.ts';
import { originOf, readBounded } from '../../kube/foreignanswer.ts';
import type { AuditEntry, AuditSink } from './trail.ts';

/**
 * Sends the audit trail to `<API_URL>/v1/clusters/<CLUSTER_ID>/audit`, as described in
 * docs/designs/0007-audit-and-savings.md. A batch has arrived, or is refused, when the API says so in so many words;
 * whatever else answers is retried after Retry-After or a backoff.
 */

export interface AuditSenderOptions {
  readonly url: string;
  readonly apiKey: string;
  readonly clusterId: string;
  readonly log: Logger;
  readonly metrics?: Registry;
  /** Entries kept while the API does not accept any; beyond that the oldest are dropped. */
  readonly maxWaiting?: number;
  readonly batch?: number;
  /** Milliseconds during which entries are collected into one batch. */
  readonly batchWindowMs?: number;
  readonly firstWaitMs?: number;
  readonly timeoutMs?: number;
}

export interface AuditSender extends AuditSink {
  readonly waiting: number;
  /** Sends the remaining entries, for at most `withinMs` milliseconds. */
  close(withinMs?: number): Promise<void>;
}

/** 10 MB at most: an entry has up to 2.5 KB. */
const MAX_WAITING = 4000;
const BATCH = 200;
const BATCH_WINDOW_MS = 500;
const FIRST_WAIT_MS = 1_000;
const MAX_WAIT_MS = 60_000;
const TIMEOUT_MS = 10_000;
const CLOSE_MS = 1_000;

type Delivery =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly afterMs: number };

/** What the API says of a batch: how many entries it has taken, or refuses for good. */
const verdictSchema = z.object({
  accepted: z.number().int().optional(),
  rejected: z.number().int().optional(),
  reason: z.string().optional(),
});
type Verdict = z.output<typeof verdictSchema>;

const MAX_VERDICT_BYTES = 64 * 1024;
const MAX_REASON = 300;

/** The verdict in an answer; undefined where there is none, such as in the page of a proxy. */
const readVerdict = async (response: Response): Promise<Verdict | undefined> => {
  const text = await readBounded(response, MAX_VERDICT_BYTES);
  if (text === undefined) return undefined;
  try {
    const { data } = verdictSchema.safeParse(JSON.parse(text));
    return data && { ...data, ...(data.reason && { reason: printable(data.reason).slice(0, MAX_REASON) }) };
  } catch {
    return undefined;
  }
};

/** Why nobody knows whether a batch has arrived. */
const whyUnknown = ({ status, ok, headers }: Response, count: number): string => {
  if (ok) return `HTTP ${status} without {"accepted":${count}}: is API_URL the address of the audit API?`;
  if (status < 300 || status >= 400) return `HTTP ${status}`;
  return `HTTP ${status} to ${originOf(headers)}, which is not followed since it would take API_KEY along: set API_URL to the address itself`;
};

class HttpAuditSender implements AuditSender {
  readonly #o: AuditSenderOptions;
  readonly #url: string;
  readonly #queue: AuditEntry[] = [];
  readonly #counter: Counter<'outcome'> | undefined;
  readonly #closing = new AbortController();
  readonly #ended: Promise<void>;
  #wake: () => void = () => {};
  #dropped = 0;
  #isClosed = false;

  constructor(o: AuditSenderOptions) {
    this.#o = o;
    this.#url = `${o.url.replace(/\/+$/, '')}/v1/clusters/${encodeURIComponent(o.clusterId)}/audit`;
    if (o.metrics) {
      const help = 'Audit entries for the remote API by outcome: sent or dropped';
      const registers = [o.metrics];
      this.#counter = new Counter({
        name: 'kentroller_audit_entries_total',
        help,
        labelNames: ['outcome'],
        registers,
      });
      // Both from the start: growth from nothing is none to Prometheus.
      for (const outcome of ['sent', 'dropped']) this.#counter.inc({ outcome }, 0);
      const queue = this.#queue;
      new Gauge({
        name: 'kentroller_audit_entries_waiting',
        help: 'Audit entries that wait to be sent to the remote API',
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
    this.#counter?.inc({ outcome: 'dropped' }, count);
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
      if (!this.#isClosed) await this.#sleep(this.#o.batchWindowMs ?? BATCH_WINDOW_MS);
      // Removed from the queue, so that new entries do not push out those being sent.
      const batch = this.#queue.splice(0, this.#o.batch ?? BATCH);
      const delivery = await this.#post(batch);
      if (this.#closing.signal.aborted) return;
      if (delivery.kind === 'retry') {
        const room = (this.#o.maxWaiting ?? MAX_WAITING) - this.#queue.length;
        const kept = batch.slice(Math.max(0, batch.length - room));
        this.#queue.unshift(...kept);
        this.#drop(batch.length - kept.length);
        this.#o.log.warn(
          { url: withoutUserinfo(this.#url), reason: delivery.reason },
          'audit entries could not be sent, retrying',
        );
        await this.#sleep(Math.max(delivery.afterMs, waitMs));
        waitMs = Math.min(waitMs * 2, MAX_WAIT_MS);
        continue;
      }
      waitMs = first;
      if (delivery.kind === 'rejected') {
        this.#drop(batch.length);
        this.#o.log.warn(
          { url: withoutUserinfo(this.#url), reason: delivery.reason, entries: batch.length },
          'audit entries rejected and dropped: check API_URL, API_KEY and CLUSTER_ID',
        );
      }
    }
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
  }

  async #post(entries: readonly AuditEntry[]): Promise<Delivery> {
    const { apiKey, clusterId, timeoutMs = TIMEOUT_MS } = this.#o;
    const dropped = this.#dropped;
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(apiKey && { authorization: `Bearer ${apiKey}` }),
          ...(clusterId && { 'x-cluster-id': clusterId }),
        },
        body: JSON.stringify({ entries, dropped }),
        // A redirect would take the key along.
        redirect: 'manual',
        signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#closing.signal]),
      });
      const verdict = await readVerdict(response);
      if (verdict?.accepted === entries.length && response.ok) {
        this.#dropped -= dropped;
        this.#counter?.inc({ outcome: 'sent' }, entries.length);
        return { kind: 'accepted' };
      }
      const isRefused = response.status >= 400 && response.status < 500;
      if (verdict?.rejected === entries.length && isRefused)
        return { kind: 'rejected', reason: verdict.reason ?? `HTTP ${response.status}` };
      const seconds = Number(response.headers.get('retry-after'));
      return {
        kind: 'retry',
        reason: whyUnknown(response, entries.length),
        afterMs: seconds > 0 ? seconds * 1000 : 0,
      };
    } catch (error) {
      const { cause } = error as Error;
      const reason = cause instanceof Error ? cause.message : messageOf(error);
      return { kind: 'retry', reason, afterMs: 0 };
    }
  }
}

export const createAuditSender = (o: AuditSenderOptions): AuditSender => new HttpAuditSender(o);
