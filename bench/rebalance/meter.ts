import type { NodeClaim, Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, PODS } from '../../api/resources.ts';
import { isLive, isRunning } from '../../e2e/support/workload.ts';
import { Offerings } from '../../kentroller/cloud/offerings.ts';
import { createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import { NAMESPACE } from './scene.ts';

/** The cluster at one moment. */
export interface Sample {
  /** Milliseconds since the start. */
  readonly at: number;
  /** USD per hour of all launched machines that are not gone. */
  readonly cost: number;
  readonly nodes: number;
  readonly pending: number;
  /** Pods taken off a node so far. */
  readonly evicted: number;
}

const EVERY_MS = 1_000;

/** Watches a cluster and records its cost and its pods every second. */
export class Meter {
  readonly samples: Sample[] = [];
  readonly #ended = new AbortController();
  readonly #gone = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #evictedBefore = 0;
  #look: () => Omit<Sample, 'at'> = () => ({ cost: 0, nodes: 0, pending: 0, evicted: 0 });

  static async watch(client: KubeClient, catalogue: Catalogue): Promise<Meter> {
    const offerings = new Offerings(catalogue);
    const meter = new Meter();
    const log = createLogger({ component: 'bench', level: 'error' });
    const pods = createCache<Pod>({ client, log, resource: PODS, namespace: NAMESPACE });
    const claims = createCache<NodeClaim>({ client, log, resource: NODE_CLAIMS });
    pods.onChange(({ type, object }) => {
      const isGoing = type === 'delete' || object.metadata.deletionTimestamp !== undefined;
      if (isGoing && object.spec.nodeName) meter.#gone.add(object.metadata.uid ?? '');
    });
    for (const cache of [pods, claims]) cache.start(meter.#ended.signal);
    await Promise.all([pods.synced(), claims.synced()]);
    meter.#look = () => {
      const launched = claims.list().filter((claim) => claim.status?.providerID);
      return {
        cost: launched.reduce(
          (sum, claim) => sum + (offerings.priceOf(claim.metadata.labels) ?? Number.NaN),
          0,
        ),
        nodes: launched.length,
        pending: pods.list().filter((pod) => isLive(pod) && !isRunning(pod)).length,
        evicted: meter.#gone.size - meter.#evictedBefore,
      };
    };
    return meter;
  }

  /** The measurement starts here. */
  start(): void {
    this.#startedAt = Date.now();
    this.#evictedBefore = this.#gone.size;
    const note = (): void => {
      this.samples.push({ at: Date.now() - this.#startedAt, ...this.#look() });
    };
    note();
    this.#timer = setInterval(note, EVERY_MS);
  }

  get last(): Sample {
    const last = this.samples.at(-1);
    if (!last) throw new Error('the meter has not been started');
    return last;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#ended.abort(new Error('the measurement is over'));
  }
}
