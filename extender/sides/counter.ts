import type { Node, Pod } from '../../api/objects.ts';
import type { SideReply, SideRequest } from '../../api/pinning.ts';
import { type ControllerRef, controllerKey, isControlledBy, isTerminating } from '../../api/pods.ts';
import { PODS } from '../../api/resources.ts';
import { occupiedOf } from '../../api/spotpods/occupied.ts';
import { placeOf, type Side } from '../../api/spotpods/split.ts';
import { Tally } from '../../api/spotpods/tally.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import type { State } from '../placement/state.ts';
import { SideGrants } from './grants.ts';
import { plannedSides } from './plannedsides.ts';

/**
 * Chooses the side of each new pod of a workload with a share of spot, in the leader alone, so that two replicas of the
 * webhook count as one. It counts what the API server shows after the request has come, since a cache may not have
 * seen the deletion of the pod that this one replaces. See docs/designs/0065-spot-pods.md.
 */

/** The time in which pods appear that the previous leader gave places to. */
const CATCH_UP_MS = 1_000;
const LIST_MS = 5_000;
/** Owners whose pods are listed at once; what comes on top passes without a side. */
const MAX_OWNERS = 64;
/** Pods of one owner that wait for a list. */
const MAX_WAITING = 1_000;
/** Pods that have ended count for no one. */
const LIVE = 'status.phase!=Succeeded,status.phase!=Failed';

interface Waiting {
  readonly request: SideRequest;
  readonly resolve: (reply: SideReply) => void;
}

const without = ({ requestUid }: SideRequest, reason: string): SideReply => ({
  requestUid,
  side: '',
  index: 0,
  reason,
});

const refOf = ({ ownerKind, ownerName, ownerUid }: SideRequest): ControllerRef => ({
  kind: ownerKind,
  name: ownerName,
  uid: ownerUid,
});

const ownerOf = (request: SideRequest): string => controllerKey(refOf(request), request.namespace);

export class SideCounter {
  readonly #client: Pick<KubeClient, 'list'>;
  readonly #log: Logger;
  readonly #now: () => number;
  readonly #grants: SideGrants;
  /** Requests that wait for the next list of their owner's pods; an owner is here while one is under way. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #enders = new Set<() => void>();
  #state: State | undefined;
  #leadingSince = 0;
  #unsubscribe: (() => void) | undefined;

  constructor(o: {
    readonly client: Pick<KubeClient, 'list'>;
    readonly log: Logger;
    readonly now: () => number;
  }) {
    this.#client = o.client;
    this.#log = o.log;
    this.#now = o.now;
    this.#grants = new SideGrants(o.now);
  }

  get isLeading(): boolean {
    return this.#state !== undefined;
  }

  /** Starts to choose, from this state; undefined stops it. */
  lead(state: State | undefined): void {
    this.#unsubscribe?.();
    this.#state = state;
    this.#leadingSince = this.#now();
    this.#grants.clear();
    this.#unsubscribe = state?.pods.onChange(({ type, object }) => {
      if (type === 'add') this.#grants.see(object);
    });
    if (!state) for (const end of this.#enders) end();
  }

  /** Has `end` called when this replica stops to lead. */
  onEnd(end: () => void): () => void {
    this.#enders.add(end);
    return () => this.#enders.delete(end);
  }

  giveBack(request: SideRequest): void {
    this.#grants.giveBack(ownerOf(request), request.requestUid);
  }

  /** The side of one pod; none where its owner's pods can't be counted now. */
  choose(request: SideRequest): Promise<SideReply> {
    if (!this.#state) return Promise.resolve(without(request, 'this replica does not lead'));
    if (this.#now() - this.#leadingSince < CATCH_UP_MS)
      return Promise.resolve(without(request, 'this replica has just become the leader'));
    const owner = ownerOf(request);
    const waiting = this.#waiting.get(owner);
    if ((waiting?.length ?? 0) >= MAX_WAITING || (!waiting && this.#waiting.size >= MAX_OWNERS))
      return Promise.resolve(without(request, 'too many pods are counted at once'));
    return new Promise((resolve) => {
      if (waiting) {
        waiting.push({ request, resolve });
        return;
      }
      this.#waiting.set(owner, [{ request, resolve }]);
      void this.#serve(owner);
    });
  }

  /** Lists as long as there are requests: each is answered from a list that began after it had come. */
  async #serve(owner: string): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(owner) ?? [];
      if (batch.length === 0) break;
      this.#waiting.set(owner, []);
      const replies = await this.#answer(owner, batch);
      for (const [at, { request, resolve }] of batch.entries())
        resolve(replies[at] ?? without(request, 'its pods were not counted'));
    }
    this.#waiting.delete(owner);
  }

  async #answer(owner: string, batch: readonly Waiting[]): Promise<readonly SideReply[]> {
    const list = this.#grants.beginList();
    const [first] = batch;
    try {
      if (!first) return [];
      const { namespace, labelSelector } = first.request;
      const { items } = await this.#client.list<Pod>(PODS, {
        namespace,
        fieldSelector: LIVE,
        ...(labelSelector !== '' && { labelSelector }),
        isMetadataOnly: true,
        signal: AbortSignal.timeout(LIST_MS),
      });
      const ref = refOf(first.request);
      const own = items.filter((pod) => isControlledBy(pod, ref, namespace) && !isTerminating(pod));
      const state = this.#state;
      if (!state) return [];
      const counted = own.map((pod) => ({ place: placeOf(pod), node: this.#nodeOf(state, pod) }));
      // Counted once: nothing comes in between, and thousands of pods may come together.
      const tally = new Tally(occupiedOf(counted, this.#grants.beside(owner, list)));
      return batch.map(({ request }) => this.#place(state, request, tally));
    } catch (error) {
      this.#log.warn({ owner, reason: messageOf(error) }, 'pods not counted: they get no side');
      return batch.map(({ request }) => without(request, messageOf(error)));
    }
  }

  #place(state: State, request: SideRequest, tally: Tally): SideReply {
    const { requestUid, spotPercentage, ownerUid } = request;
    const side = tally.nextSide(spotPercentage);
    const planned = this.#plannedSide(state, ownerUid, side);
    const place = tally.take(planned);
    this.#grants.add(ownerOf(request), requestUid, place);
    const reason = planned === side ? '' : 'the place that a plan has for it is not on spot';
    return { requestUid, ...place, reason };
  }

  /** On demand where that is the only side that a plan has places on: more of it than the share asks for is no harm. */
  #plannedSide(state: State, ownerUid: string, side: Side): Side {
    if (side === 'on-demand') return side;
    const sides = plannedSides(state, ownerUid);
    return sides.has('on-demand') && !sides.has('spot') ? 'on-demand' : side;
  }

  /** The node of a pod, which a list of metadata does not show. */
  #nodeOf({ pods, nodes }: State, { metadata }: Pod): Node | undefined {
    const nodeName = pods.get(`${metadata.namespace}/${metadata.name}`)?.spec.nodeName;
    return nodeName === undefined ? undefined : nodes.get(nodeName);
  }
}
