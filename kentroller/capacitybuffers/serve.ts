import { isDeepStrictEqual } from 'node:util';
import type { CapacityBuffer, Node, Pod } from '../../api/objects.ts';
import { podName } from '../../api/pods.ts';
import { CAPACITY_BUFFERS } from '../../api/resources.ts';
import { timeText } from '../../api/text/time.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import { RefusedWrites } from '../../kube/controller/refusedwrites.ts';
import { isConflict, isNotFound, lacksRight, messageOf } from '../../kube/errors.ts';
import { ignoreNotFound, ignoreUnserved } from '../../kube/ignore.ts';
import { bufferRoom } from '../../planner/bufferroom.ts';
import { type Caches, claimOf } from '../caches.ts';
import type { Policies } from '../policies/settings.ts';
import { gatherSnapshot } from '../snapshot.ts';
import { MOST_BUFFERS } from './count.ts';
import { gatherBuffers, type ServedBuffer } from './gather.ts';
import { ACTIVE_CAPACITY, BUFFER_MANAGER, isOursAlone, type Standing, standings } from './owner.ts';
import { applyGuard, guardSteps, isGuarded } from './roomguard.ts';
import { type BufferStatus, statusOf } from './status.ts';

export interface ServingOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly schedulers?: readonly string[];
  readonly recorder: Recorder;
  readonly log: Logger;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** What the last pass found. */
export interface ServedRoom {
  /** Chunks of the buffers that are served. */
  readonly chunks: readonly Pod[];
  /** Those without room on nodes that stand. */
  readonly missing: readonly Pod[];
}

/** Why chunks without room are not bought for, by 'namespace/name' of the chunk; `all` where that holds for each. */
export interface Unbought {
  readonly all?: string;
  readonly chunks: ReadonlyMap<string, string>;
}

/** Statuses a pass that say that a buffer is not served for there being too many: each is a write, and their number is anybody's. */
const REFUSALS_A_PASS = 100;

const NOTHING: ServedRoom = { chunks: [], missing: [] };

/** A buffer that is being deleted, and that a finalizer keeps: nobody asks for its room any more. */
const isGoing = ({ metadata }: CapacityBuffer): boolean => metadata.deletionTimestamp !== undefined;

const refOf = ({ metadata: { namespace = 'default', name } }: CapacityBuffer) => ({ namespace, name });

/** What is remembered of a buffer: not of an earlier one of its name. */
const keyOf = ({ metadata: { namespace = 'default', name, uid = '' } }: CapacityBuffer): string =>
  `${namespace}/${name}/${uid}`;

/**
 * Serves CapacityBuffers that nobody else serves: their statuses, and do-not-disrupt on the nodes where their room lies. What they need is in
 * their statuses, which every plan reads, so nothing is lost with the process.
 */
export class BufferServer {
  readonly #o: ServingOptions;
  /** Passes since the feature is off, or was never on, that found nothing left of it. */
  #isClean = false;
  readonly #told = new Map<string, string>();
  /** Guarded nodes with the version at the last pass, at which nobody else had put do-not-disrupt there. */
  #looked: ReadonlyMap<string, string> = new Map();
  #last = NOTHING;
  /** Why CapacityBuffers may not be read; empty while they may. */
  #forbidden = '';
  readonly #writes: RefusedWrites;

  constructor(o: ServingOptions) {
    this.#o = o;
    this.#writes = new RefusedWrites({
      log: o.log,
      now: o.now,
      message: 'the status of a CapacityBuffer is refused',
    });
  }

  last(): ServedRoom {
    return this.#last;
  }

  /** One pass with the feature on. */
  async serve(policies: Policies, unbought: Unbought): Promise<void> {
    this.#isClean = false;
    const all = await this.#read();
    const buffers = all.filter((buffer) => !isGoing(buffer));
    const known = standings(buffers, this.#o.now());
    const of = (kind: Standing['kind']): readonly CapacityBuffer[] =>
      buffers.filter((buffer) => this.#standing(known, buffer).kind === kind);
    await this.#withdraw([...all.filter(isGoing), ...of('aside'), ...of('foreign')].filter(isOursAlone));
    this.#tellAside(of('aside'), known);
    const { client, signal } = this.#o;
    const looking = { client, isScoped: policies.scopedMode, signal };
    const served = await gatherBuffers(looking, of('serve'));
    await this.#keepRoom(served, unbought);
  }

  /** One pass with the feature off: takes back what an earlier pass, or an earlier process, has written. */
  async stop(): Promise<void> {
    this.#last = NOTHING;
    await this.#guard(new Set());
    if (this.#isClean) return;
    this.#isClean = await this.#withdraw((await this.#read()).filter(isOursAlone));
    this.#told.clear();
  }

  /** All CapacityBuffers; none where the kind is not served, or may not be read. */
  async #read(): Promise<readonly CapacityBuffer[]> {
    const { client, signal, log } = this.#o;
    let forbidden = '';
    const found = await listBuffers({ client, signal }, (reason) => {
      forbidden = reason;
    });
    if (forbidden !== '' && forbidden !== this.#forbidden)
      log.warn({ reason: forbidden }, 'CapacityBuffers may not be read, and are not served');
    this.#forbidden = forbidden;
    return found;
  }

  #standing(known: ReadonlyMap<string, Standing>, buffer: CapacityBuffer): Standing {
    const { namespace, name } = refOf(buffer);
    return known.get(`${namespace}/${name}`) ?? { kind: 'foreign' };
  }

  /** Says on each buffer, once, who serves it instead. */
  #tellAside(buffers: readonly CapacityBuffer[], known: ReadonlyMap<string, Standing>): void {
    const uids = new Set(buffers.map(({ metadata }) => metadata.uid ?? ''));
    for (const uid of this.#told.keys()) if (!uids.has(uid)) this.#told.delete(uid);
    for (const buffer of buffers) {
      const standing = this.#standing(known, buffer);
      const { uid = '' } = buffer.metadata;
      if (standing.kind !== 'aside' || this.#told.get(uid) === standing.message) continue;
      this.#told.set(uid, standing.message);
      this.#o.recorder.event(CAPACITY_BUFFERS, buffer, 'Normal', 'ServedByOthers', standing.message);
    }
  }

  /** Finds room for all chunks, guards the nodes where it is, and writes the statuses. */
  async #keepRoom(served: readonly ServedBuffer[], unbought: Unbought): Promise<void> {
    const { caches, schedulers } = this.#o;
    const chunks = served.flatMap((each) => each.chunks);
    const snapshot = gatherSnapshot(caches);
    const kept = new Set(
      caches.nodes
        .list()
        .filter(isGuarded)
        .map(({ metadata }) => metadata.name),
    );
    const { nodes, missing } =
      chunks.length === 0
        ? { nodes: new Set<string>(), missing: [] }
        : bufferRoom(snapshot, {
            room: chunks,
            kept,
            ...(schedulers && { schedulers }),
          });
    await this.#guard(nodes);
    const without = new Set(missing);
    const at = timeText(this.#o.now());
    const written = new Set<Pod>();
    let refusals = REFUSALS_A_PASS;
    for (const [place, each] of served.entries()) {
      const lacking = each.chunks.filter((chunk) => without.has(chunk));
      const reason = lacking
        .map((chunk) => unbought.chunks.get(podName(chunk)))
        .find((why) => why !== undefined);
      const facts = {
        ...each,
        allowed: each.chunks.length,
        missing: lacking.length,
        unbought: reason ?? unbought.all,
      };
      const status = statusOf(each.buffer, facts, ACTIVE_CAPACITY, at);
      const isNews = !isDeepStrictEqual(status, each.buffer.status);
      if (place >= MOST_BUFFERS && isNews && refusals-- <= 0) continue;
      const isWritten = await this.#write(each.buffer, status);
      if (isWritten) for (const chunk of each.chunks) written.add(chunk);
    }
    // Nothing is bought for a buffer whose status does not say that it is served.
    this.#last = { chunks: [...written], missing: missing.filter((chunk) => written.has(chunk)) };
  }

  /** Writes a status that says something new; false where another writer has its fields, the buffer is gone, or its status is refused. */
  async #write(buffer: CapacityBuffer, status: BufferStatus): Promise<boolean> {
    if (isDeepStrictEqual(status, buffer.status)) return true;
    const { client, log, signal } = this.#o;
    const { namespace, name } = refOf(buffer);
    const { uid } = buffer.metadata;
    const body = { metadata: { name, namespace, ...(uid && { uid }) }, status };
    try {
      // Not forced: fields that somebody else has written meanwhile are refused. One buffer keeps no other from being served.
      return await this.#writes.attempt(keyOf(buffer), () =>
        client.apply(CAPACITY_BUFFERS, body, {
          fieldManager: BUFFER_MANAGER,
          subresource: 'status',
          signal,
        }),
      );
    } catch (error) {
      const reason = messageOf(error);
      if (isConflict(error))
        log.info({ buffer: `${namespace}/${name}`, reason }, 'status is left to its writer');
      else if (!isNotFound(error)) throw error;
      return false;
    }
  }

  /** Takes off what kentroller has written of these statuses; false when that is refused for one. */
  async #withdraw(buffers: readonly CapacityBuffer[]): Promise<boolean> {
    let isDone = true;
    for (const buffer of buffers)
      isDone = (await this.#writes.attempt(keyOf(buffer), () => withdrawStatus(this.#o, buffer))) && isDone;
    return isDone;
  }

  async #guard(holders: ReadonlySet<string>): Promise<void> {
    const { caches, log } = this.#o;
    const nodes = caches.nodes.list();
    const isLookedAt = ({ metadata }: Node): boolean =>
      metadata.resourceVersion !== undefined && this.#looked.get(metadata.name) === metadata.resourceVersion;
    for (const step of guardSteps(nodes, (node) => claimOf(caches, node), { holders, isLookedAt })) {
      await applyGuard(this.#o, step);
      if (step.kind !== 'look')
        log.info(
          { node: step.node },
          step.kind === 'guard' ? 'node keeps room' : 'node keeps no room any more',
        );
    }
    this.#looked = new Map(
      nodes.filter(isGuarded).map(({ metadata }) => [metadata.name, metadata.resourceVersion ?? '']),
    );
  }
}

/** All CapacityBuffers; none where the kind is not served, or where they may not be read, which `tellForbidden` is told. */
const listBuffers = async (
  { client, signal }: { readonly client: Pick<KubeClient, 'list'>; readonly signal: AbortSignal },
  tellForbidden: (reason: string) => void = () => {},
): Promise<readonly CapacityBuffer[]> => {
  try {
    return (await client.list(CAPACITY_BUFFERS, { signal }).catch(ignoreUnserved))?.items ?? [];
  } catch (error) {
    if (!lacksRight(error)) throw error;
    tellForbidden(messageOf(error));
    return [];
  }
};

/** Takes back every status that kentroller has written, for good; a kind that is not served, or may not be read, has none. */
export const withdrawStatuses = async (o: {
  readonly client: Pick<KubeClient, 'list' | 'apply'>;
  readonly signal: AbortSignal;
}): Promise<void> => {
  for (const buffer of (await listBuffers(o)).filter(isOursAlone)) await withdrawStatus(o, buffer);
};

/** Removes a buffer's status that kentroller alone has written. */
export const withdrawStatus = async (
  { client, signal }: { readonly client: Pick<KubeClient, 'apply'>; readonly signal: AbortSignal },
  buffer: CapacityBuffer,
): Promise<void> => {
  const metadata = refOf(buffer);
  const o = { fieldManager: BUFFER_MANAGER, subresource: 'status', signal };
  await client.apply(CAPACITY_BUFFERS, { metadata }, o).catch(ignoreNotFound);
};
