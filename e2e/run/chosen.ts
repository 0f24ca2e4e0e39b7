/**
 * Which scenes of the uninstall suites a run plays: a few by seed, since each takes a minute and all of them nine; every one
 * with SOAK=1. The seed is the day, so that all are played within days, or UNINSTALL_SEED to repeat a run.
 */

const DAY_MS = 86_400_000;

type Environment = Readonly<Record<string, string | undefined>>;

export const uninstallSeed = (env: Environment, now: number): number => {
  const given = Number(env.UNINSTALL_SEED);
  return env.UNINSTALL_SEED && Number.isSafeInteger(given) ? given : Math.floor(now / DAY_MS);
};

/** `count` of the scenes, one after the other as the seed grows; all of them for a soak. */
export const chosen = <T>(
  scenes: readonly T[],
  count: number,
  seed: number,
  env: Environment,
): readonly T[] => {
  if (env.SOAK) return scenes;
  const first = ((seed % scenes.length) + scenes.length) % scenes.length;
  return [...scenes.slice(first), ...scenes.slice(0, first)].slice(0, count);
};
