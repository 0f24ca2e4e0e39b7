import { LEASES } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import { getOrUndefined } from '../ignore.ts';

/** A Lease as read once. */
interface Look {
  readonly holder: string;
  readonly renewTime: string;
  readonly durationMs: number;
}

/** Observes another component's Lease by polling; only our own clock counts, as in an election. */
export class LeaseObserver {
  readonly #client: KubeClient;
  readonly #ref: { readonly namespace: string; readonly name: string };
  readonly #now: () => number;
  #last: Look | undefined;
  #changedAt = 0;

  constructor(o: {
    readonly client: KubeClient;
    readonly lease: { readonly namespace: string; readonly name: string };
    readonly now: () => number;
  }) {
    this.#client = o.client;
    this.#ref = o.lease;
    this.#now = o.now;
  }

  /** Milliseconds since the Lease had no holder; undefined while it has one. Throws a KubeError. */
  async vacantMs(signal: AbortSignal): Promise<number | undefined> {
    const look = await this.#look(signal);
    const last = this.#last;
    const isSame = last && look.holder === last.holder && look.renewTime === last.renewTime;
    if (!isSame) this.#changedAt = this.#now();
    this.#last = look;
    const vacant = this.#now() - this.#changedAt - (look.holder === '' ? 0 : look.durationMs);
    return look.holder === '' || vacant > 0 ? vacant : undefined;
  }

  /** True when another identity holds the Lease and renewed it recently, by both clocks. */
  async isHeldByAnother(self: string, signal: AbortSignal): Promise<boolean> {
    const { holder, renewTime, durationMs } = await this.#look(signal);
    return holder !== '' && holder !== self && this.#now() - Date.parse(renewTime) < durationMs;
  }

  /** Forgets earlier observations: counting starts again. */
  forget(): void {
    this.#last = undefined;
  }

  async #look(signal: AbortSignal): Promise<Look> {
    const lease = await getOrUndefined(this.#client.get(LEASES, this.#ref, { signal }));
    return {
      holder: lease?.spec?.holderIdentity ?? '',
      renewTime: lease?.spec?.renewTime ?? '',
      durationMs: (lease?.spec?.leaseDurationSeconds ?? 0) * 1000,
    };
  }
}
