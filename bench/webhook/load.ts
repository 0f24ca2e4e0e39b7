import { forEach } from '../support/cluster.ts';

/** A way to create pods: calls `create` with 0, 1, 2 … and resolves when all are done. */
export type Load = (create: (i: number) => Promise<unknown>) => Promise<void>;

const TICK_MS = 2;

/** This many creations per second, whether earlier ones are done or not. */
export const paced =
  (aSecond: number, seconds: number): Load =>
  async (create) => {
    const started = performance.now();
    const pending: Promise<unknown>[] = [];
    const total = aSecond * seconds;
    while (pending.length < total) {
      const due = Math.min(total, Math.floor(((performance.now() - started) * aSecond) / 1000) + 1);
      while (pending.length < due) pending.push(create(pending.length));
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(pending);
  };

/** This many creators, each creating one pod after the other. */
export const crowd =
  (creators: number, pods: number): Load =>
  (create) =>
    forEach(Array.from({ length: pods }).keys(), create, creators);
