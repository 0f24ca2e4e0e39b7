/**
 * The files that take longest, longest first: they begin before the others, so that no lane waits for one in the end. The chart at
 * the end of a run tells when this is to be changed.
 */
export const LONGEST: readonly string[] = [
  'e2e/kentroller/mustgo.test.ts',
  'e2e/kentroller/execution.test.ts',
  'e2e/follow.test.ts',
  'e2e/kentroller/faults.test.ts',
  'e2e/uninstallcli.test.ts',
  'e2e/softpins.test.ts',
  'e2e/kentroller/consolidation.test.ts',
  'e2e/kentroller/karpenter.test.ts',
  'e2e/kentroller/livemigration.test.ts',
  'e2e/uninstallorders.test.ts',
  'e2e/uninstall.test.ts',
  'e2e/differential/differential.test.ts',
  'e2e/first-light.test.ts',
  'e2e/run/signals.test.ts',
  'e2e/daemonsets.test.ts',
  'e2e/faults/faults.test.ts',
  'e2e/kentroller/surge.test.ts',
  'e2e/hostile.test.ts',
];

/** Files in the order in which they are to begin. */
export const inOrder = <T extends { readonly path: string }>(files: readonly T[]): readonly T[] => {
  const rankOf = new Map(LONGEST.map((path, at) => [path, at]));
  const rank = ({ path }: T): number => rankOf.get(path) ?? LONGEST.length;
  return files.toSorted((a, b) => rank(a) - rank(b));
};
