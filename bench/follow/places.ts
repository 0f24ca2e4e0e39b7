import { attributePods } from '../../planner/karpenter/attribution.ts';
import { burstOf, podsOfBurst, purchase } from '../../planner/testing/purchase.ts';
import { machine } from '../support/bed.ts';
import { mean } from '../support/figures.ts';
import { readFlags } from '../support/flags.ts';

/**
 * Places of bursts on simulated purchases, without a cluster: how many seeds give every pod its place, and the CPU time
 * that it takes. `--pods`, `--rounds`, `--seed`.
 */

interface Round {
  readonly claims: number;
  readonly placed: number;
  readonly onKind: number;
  readonly cpuMs: number;
}

const runRound = (count: number, seed: number): Round => {
  const pods = podsOfBurst(burstOf(count, seed));
  const bought = purchase(pods, seed);
  const before = process.cpuUsage();
  const { attributions } = attributePods({
    inFlight: bought.map((b) => b.launched),
    pods,
    assigned: new Map(),
  });
  const cpuMs = process.cpuUsage(before).user / 1_000;
  const left = new Map<string, number>();
  const keyOf = (claim: string, app: string | undefined): string => `${claim}/${app}`;
  for (const { claim, pods: meant } of bought) {
    for (const { metadata } of meant) {
      const key = keyOf(claim.metadata.name, metadata.labels?.app);
      left.set(key, (left.get(key) ?? 0) + 1);
    }
  }
  let onKind = 0;
  for (const { claim, pod } of attributions) {
    const key = keyOf(claim, pod.metadata.labels?.app);
    const count = left.get(key) ?? 0;
    if (count > 0) onKind++;
    left.set(key, count - 1);
  }
  return { claims: bought.length, placed: attributions.length, onKind, cpuMs };
};

const { numbers } = readFlags(process.argv.slice(2), {
  numbers: { pods: 300, rounds: 20, seed: 881 },
  groups: [],
});
const rounds: Round[] = [];
for (let round = 0; round < numbers.rounds; round++)
  rounds.push(runRound(numbers.pods, numbers.seed + round));
const cpu = rounds.map(({ cpuMs }) => cpuMs);
const claims = rounds.map((each) => each.claims);
process.stdout.write(`${machine()}; ${numbers.rounds} bursts of ${numbers.pods} pods
every pod has its place: ${rounds.filter(({ placed }) => placed === numbers.pods).length} of ${numbers.rounds}
pods placed: ${mean(rounds.map(({ placed }) => placed)).toFixed(1)} in the mean, ${Math.min(...rounds.map(({ placed }) => placed))} at least
claims: ${Math.min(...claims)} to ${Math.max(...claims)}
pods on the claim bought for their kind: ${((100 * mean(rounds.map(({ onKind }) => onKind))) / numbers.pods).toFixed(1)} %
CPU time, ms: ${mean(cpu).toFixed(0)} in the mean, ${Math.max(...cpu).toFixed(0)} at most
`);
