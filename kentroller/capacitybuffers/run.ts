import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../kube/errors.ts';
import { Bell } from '../bell.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { BufferServer, type ServedRoom, type ServingOptions, type Unbought } from './serve.ts';

/** Longest time between two passes, so that nothing depends on a change being seen. */
const RESYNC_MS = 5_000;
/** Least time between two, and how often the duration of the last one. */
const LEAST_MS = 500;
const TIMES = 10;

/** The room that is to be bought, for what buys it. */
export interface RoomSource {
  readonly last: () => ServedRoom;
  /** Says why room is not bought. */
  readonly tell: (unbought: Unbought) => void;
  /** Calls when the chunks without room are others. */
  readonly onChange: (handler: () => void) => () => void;
}

export interface RunOptions extends ServingOptions {
  readonly policies: { now(): PoliciesNow; onChange(handler: () => void): () => void };
}

/** Rings when room may have come or gone. */
const subscribe = ({ caches }: RunOptions, ring: () => void): (() => void)[] => [
  caches.pods.onChange((change) => {
    const before = change.type === 'update' ? change.old : undefined;
    if (change.type !== 'update' || before?.spec.nodeName !== change.object.spec.nodeName) ring();
  }),
  caches.nodes.onChange((change) => {
    if (change.type !== 'update' || change.old.spec !== change.object.spec) ring();
  }),
  caches.plans.onChange(ring),
];

/** Serves CapacityBuffers while the policies say so, until the signal aborts. */
export const runBuffers = (o: RunOptions): RoomSource & { readonly ended: Promise<void> } => {
  const server = new BufferServer(o);
  const handlers = new Set<() => void>();
  let unbought: Unbought = { chunks: new Map() };
  let isOn = false;
  const pass = async (): Promise<void> => {
    const now = o.policies.now();
    // Not known is not off: what is written stays.
    if (!now.known) return;
    const before = server.last().missing.length;
    isOn = now.policies.unschedulablePods?.capacityBuffers === true;
    if (isOn) await server.serve(now.policies, unbought);
    else await server.stop();
    const { length } = server.last().missing;
    if (length > 0 || before > 0) for (const handler of handlers) handler();
  };
  const loop = async (): Promise<void> => {
    const { signal, log } = o;
    const bell = new Bell();
    const ring = (): void => {
      if (isOn) bell.ring();
    };
    const unsubscribe = [...subscribe(o, ring), o.policies.onChange(bell.ring)];
    let failing = '';
    while (!signal.aborted) {
      const startedAt = performance.now();
      try {
        await pass();
        failing = '';
      } catch (error) {
        if (signal.aborted) break;
        const reason = messageOf(error);
        if (reason !== failing)
          log.warn({ reason }, 'CapacityBuffers could not be served, and are tried again');
        failing = reason;
      }
      const pause = Math.max(LEAST_MS, TIMES * (performance.now() - startedAt));
      await sleep(pause, undefined, { signal }).catch(() => {});
      await bell.wait(RESYNC_MS, signal);
    }
    for (const stop of unsubscribe) stop();
  };
  return {
    last: () => server.last(),
    tell: (told) => {
      unbought = told;
    },
    onChange: (handler) => {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
    ended: loop(),
  };
};
