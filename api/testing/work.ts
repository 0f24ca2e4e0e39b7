/**
 * Milliseconds of processor time that a step took on this thread. A machine with other work stretches the time that
 * passes, and not this.
 */
export const cpuMillisOf = (step: () => void): number => {
  const before = process.threadCpuUsage();
  step();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
};
