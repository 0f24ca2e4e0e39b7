import type { Pod } from '../../api/objects.ts';
import { controllerKey, controllerOf } from '../../api/pods.ts';
import { formatPlace, placeOf, type SpotPlace } from '../../api/spotpods/split.ts';

/** Places that were given to pods which no list has shown yet, by owner. */

/**
 * How long a place is kept for a pod that does not appear: the API server ends a creation after 34 s, whatever webhooks it
 * waits for. A shorter time gives one place twice, and the pods are no longer split exactly.
 */
const GRANT_MS = 35_000;

interface Grant {
  readonly requestUid: string;
  readonly place: SpotPlace;
  readonly until: number;
  /** The number of the last list that had begun when the pod was seen; undefined before. */
  seenAt: number | undefined;
}

export class SideGrants {
  readonly #byOwner = new Map<string, Grant[]>();
  readonly #now: () => number;
  #lists = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Called as a list begins; its number. */
  beginList(): number {
    return ++this.#lists;
  }

  add(owner: string, requestUid: string, place: SpotPlace): void {
    const grants = this.#byOwner.get(owner) ?? [];
    grants.push({ requestUid, place, until: this.#now() + GRANT_MS, seenAt: undefined });
    this.#byOwner.set(owner, grants);
  }

  /** Notes that a pod has its place: lists that begin from now on show it, or that it is gone. */
  see(pod: Pick<Pod, 'metadata'>): void {
    const controller = controllerOf(pod as Pod);
    const place = placeOf(pod);
    if (!controller || !place) return;
    const owner = controllerKey(controller, pod.metadata.namespace ?? '');
    const grant = this.#byOwner.get(owner)?.find((each) => formatPlace(each.place) === formatPlace(place));
    if (grant) grant.seenAt ??= this.#lists;
  }

  giveBack(owner: string, requestUid: string): void {
    this.#keep(owner, (grant) => grant.requestUid !== requestUid);
  }

  /** The places that count beside the pods of a list. */
  beside(owner: string, list: number): readonly SpotPlace[] {
    const now = this.#now();
    this.#keep(owner, ({ until, seenAt }) => until > now && (seenAt === undefined || seenAt >= list));
    return (this.#byOwner.get(owner) ?? []).map(({ place }) => place);
  }

  clear(): void {
    this.#byOwner.clear();
  }

  #keep(owner: string, isKept: (grant: Grant) => boolean): void {
    const kept = (this.#byOwner.get(owner) ?? []).filter(isKept);
    if (kept.length > 0) this.#byOwner.set(owner, kept);
    else this.#byOwner.delete(owner);
  }
}
