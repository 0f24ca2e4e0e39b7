import { createLogger } from '../../kube/component/log.ts';
import type { Controller } from '../../kube/controller/controller.ts';
import type { MemoryApi } from '../../kube/testing/memory/api.ts';
import { type Call, memoryClient } from '../../kube/testing/memory/client.ts';
import type { LaggingCache } from '../../kube/testing/memory/laggingcache.ts';
import { NO_GUARDS } from '../../kube/undo/guards.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Caches } from '../caches.ts';
import { createOfferingsReader } from '../cloud/offerings.ts';
import { executePlans } from '../rebalanceplan/controller.ts';
import { reclaimNodes } from '../rebalanceplan/reclaim.ts';
import { RecentOrders } from '../rebalanceplan/state/recentorders.ts';
import * as make from './builders.ts';
import { memoryCaches } from './memorycaches.ts';

const log = createLogger({ component: 'executor-process', level: 'silent' });
const NEVER = new AbortController().signal;

/** A process of kentroller: its caches, controllers and requests, all lost when it is killed. */
export class Process {
  readonly caches: Caches;
  readonly #lagging: readonly LaggingCache<never>[];
  readonly #controllers: readonly Controller[];
  /** Requests on their way to the server; each call serves one. */
  readonly requests: (() => void)[] = [];
  readonly #busy = new Set<string>();
  /** Events of plans: type, reason and message. */
  readonly events: string[] = [];
  isDead = false;

  /** `refuse` throws for a request that the server refuses; the catalogue is what the cloud sells. */
  constructor(
    api: MemoryApi,
    now: () => number,
    refuse: (call: Call) => void = () => {},
    catalogue: Catalogue = { instanceTypes: [] },
  ) {
    const { caches, lagging } = memoryCaches(api);
    this.caches = caches;
    this.#lagging = lagging;
    const client = memoryClient(
      api,
      (call, serve) =>
        new Promise((resolve, reject) => {
          this.requests.push(() => {
            try {
              refuse(call);
              const answer = serve();
              // The answer to a process that was killed is lost.
              if (!this.isDead) resolve(answer);
            } catch (error) {
              if (!this.isDead) reject(error);
            }
          });
        }),
    );
    const silent = { event: () => {}, flush: async () => {} };
    const { limits } = make.executionState(make.plan());
    this.#controllers = [
      executePlans({
        client,
        caches: this.caches,
        pinsOf: () => ({ connected: true, goneForMs: 0, acknowledged: true }),
        webhookOf: async () => ({ isLive: true, reason: '' }),
        offeringsNow: createOfferingsReader({ catalogue: async () => catalogue }),
        limitsOf: () => ({ ...limits, planExpiryMs: 0, settleTimeoutMs: -1 }),
        migration: () => ({ mode: 'never', answerTimeoutMs: 1, timeoutMs: 1 }),
        surgeByDefault: () => false,
        isEnabled: () => true,
        orders: new RecentOrders(),
        guards: NO_GUARDS,
        account: { add: async () => {} },
        recorder: {
          ...silent,
          event: (_resource, _object, type, reason, message) =>
            void this.events.push(`${type} ${reason}: ${message}`),
        },
        podRecorder: silent,
        log,
        clock: { now },
      }),
      reclaimNodes({ client, caches: this.caches, log }),
    ];
  }

  /** Lags of the caches that have messages on their way; each call delivers one message. */
  deliveries(): readonly (() => void)[] {
    return this.#lagging.filter((cache) => cache.pending > 0).map((cache) => () => cache.deliver());
  }

  /** Reconciles that may begin; as in the work queue, none of a key that is under way. */
  reconciles(plans: readonly string[], claims: readonly string[]): readonly (() => void)[] {
    const keys = [plans, claims.map((name) => `NodeClaim/${name}`)];
    return this.#controllers.flatMap((controller, at) =>
      (keys[at] ?? [])
        .filter((key) => !this.#busy.has(key))
        .map((key) => () => {
          this.#busy.add(key);
          const done = (): void => void this.#busy.delete(key);
          // Failures come back, as in the work queue.
          controller.reconcile(key, NEVER).then(done, done);
        }),
    );
  }

  /** Kills the process; some of its requests arrive all the same. */
  kill(arrives: (at: number) => boolean): void {
    this.isDead = true;
    for (const [at, serve] of this.requests.entries()) if (arrives(at)) serve();
  }
}
