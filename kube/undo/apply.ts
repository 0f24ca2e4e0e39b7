import { setTimeout as sleep } from 'node:timers/promises';
import type { KubeClient } from '../client/client.ts';
import { mapConcurrently } from '../concurrency.ts';
import { isConflict, isNotFound, messageOf } from '../errors.ts';
import { removeGate, replacePod } from '../heldpods/gates.ts';
import { decideUndo } from './decide.ts';
import { type Inventory, KINDS, takeInventory } from './inventory.ts';
import type { UndoStep } from './step.ts';

const PARALLEL_WRITES = 16;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 2_000;
/** A pod that our webhook, or a policy of ours, reviewed before it saw the end exists by then: the webhook's timeout is 3 s. */
const LAST_REVIEW_MS = 4_000;

const write = async (client: KubeClient, step: UndoStep, signal: AbortSignal): Promise<void> => {
  switch (step.kind) {
    case 'patch': {
      const { subresource } = step;
      return void (await client.patch(step.resource, step.ref, step.body, {
        ...(subresource && { subresource }),
        signal,
      }));
    }
    case 'delete': {
      const { uid, isAtOnce } = step;
      const options = { ...(uid && { uid }), ...(isAtOnce && { gracePeriodSeconds: 0 }), signal };
      return client.delete(step.resource, step.ref, options);
    }
    case 'release-gate':
      return removeGate(client, step.pod, { signal });
    case 'replace-pod':
      return replacePod(client, step.pod, signal);
    default:
      return step satisfies never;
  }
};

/** Why steps failed, one line each; an object that is gone or has changed is looked at again. */
const applyAll = async (
  client: KubeClient,
  steps: readonly UndoStep[],
  o: { readonly hasTime: () => boolean; readonly signal: AbortSignal },
): Promise<readonly string[]> => {
  const results = await mapConcurrently(steps, PARALLEL_WRITES, (step) => {
    if (!o.hasTime()) throw new Error('there was no time left');
    return write(client, step, o.signal);
  });
  o.signal.throwIfAborted();
  return results.flatMap((result, at) => {
    if (result.status === 'fulfilled' || isNotFound(result.reason) || isConflict(result.reason)) return [];
    const step = steps[at];
    return step ? [`${step.object}: ${step.what}: ${messageOf(result.reason)}`] : [];
  });
};

export interface Undone {
  /** What could not be undone and why, one line each; empty when nothing of ours is left. */
  readonly left: readonly string[];
  /** How many writes were sent. */
  readonly writes: number;
}

/**
 * Undoes everything of ours, again and again until an inventory shows nothing more, or until the time is over. Plans lose
 * their finalizers at the end in any case, so that nobody waits for ever. `first` is done before all else. Throws when the
 * signal aborts.
 */
export const undoAll = async (
  client: KubeClient,
  o: {
    readonly timeoutMs: number;
    readonly now: () => number;
    readonly signal: AbortSignal;
    readonly first?: readonly UndoStep[];
  },
): Promise<Undone> => {
  const { signal, now, first = [] } = o;
  const until = now() + o.timeoutMs;
  let writes = 0;
  const apply = (steps: readonly UndoStep[], hasTime = () => now() < until): Promise<readonly string[]> => {
    writes += steps.length;
    return applyAll(client, steps, { hasTime, signal });
  };
  let pause = FIRST_PAUSE_MS;
  const early = await apply(first);
  let settledAt = first.length > 0 ? now() + LAST_REVIEW_MS : 0;
  for (;;) {
    const inventory: Inventory = await takeInventory(client, signal);
    const { ends, undo, finalizers } = decideUndo(inventory, now());
    const failures = [...(await apply(ends)), ...(await apply(undo))];
    const isLast = now() >= until;
    if (ends.length > 0) settledAt = now() + LAST_REVIEW_MS;
    const isUndone = ends.length + undo.length + inventory.unread.length === 0 && now() >= settledAt;
    // Somebody took away our rights: nothing can be done any more.
    if (inventory.unread.length === KINDS) return { left: [...early, ...inventory.unread], writes };
    if (isUndone || isLast) {
      failures.push(...(await apply(finalizers, () => true)));
      if (isLast || finalizers.length === 0)
        return { left: [...early, ...inventory.unread, ...failures], writes };
    }
    await sleep(pause, undefined, { signal });
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
};
