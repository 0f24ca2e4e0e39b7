import { loadPrices } from '../../e2e/demo/prices.ts';
import { cloudOf } from '../../e2e/ground/aws/cloud.ts';
import { attach, type Ground, up } from '../../e2e/ground/ground.ts';
import { progressOn } from '../../e2e/ground/host/progress.ts';
import { connect } from '../../kube/client/client.ts';
import { machine } from '../support/bed.ts';
import { Child } from '../support/child.ts';
import { mean } from '../support/figures.ts';
import { readFlags } from '../support/flags.ts';
import type { Outcome } from './outcome.ts';
import { runRound } from './round.ts';

/**
 * Bursts of mixed pods for which Karpenter buys machines, with kentroller and the pod pinner following it and with
 * kube-scheduler alone, in turn on one ground. `--pods`, `--rounds`, `--seed`, `--only on,off`.
 */

const WAYS = ['off', 'on'] as const;
type Way = (typeof WAYS)[number];

const startOurs = async (ground: Ground): Promise<() => Promise<void>> => {
  const env = { KUBECONFIG: ground.kubeconfig, POD_IP: '127.0.0.1', PEER_PORT: '0', HEALTH_PORT: '0' };
  const kentroller = Child.ofOurs('kentroller/main.ts', {
    ...env,
    ...cloudOf(ground).env,
    FOLLOW_KARPENTER: 'true',
    LEASE_DURATION: '5s',
    RENEW_DEADLINE: '3s',
    RETRY_PERIOD: '1s',
  });
  const pinner = Child.ofOurs('extender/main.ts', { ...env, HOST: '127.0.0.1', PORT: '0' });
  const stop = async (): Promise<void> => {
    await pinner.stop();
    await kentroller.stop();
  };
  await pinner.said('full state received').catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return stop;
};

const LINES: readonly (readonly [string, (o: Outcome) => number, number])[] = [
  ['pods', (o) => o.pods, 0],
  ['claims bought for them', (o) => o.claims, 1],
  ['extra claims bought', (o) => o.extra, 1],
  ['pods on the claim bought for their kind, %', (o) => (100 * o.onPlan) / o.pods, 1],
  ['claims with exactly what they were bought for, %', (o) => (100 * o.exact) / o.claims, 1],
  ['all bound after, s', (o) => o.boundMs / 1000, 1],
  ['first runs after, s', (o) => o.firstMs / 1000, 1],
  ['half run after, s', (o) => o.medianMs / 1000, 1],
  ['all run after, s', (o) => o.lastMs / 1000, 1],
  ['nodes at the end', (o) => o.nodes, 1],
  ['USD an hour at the end', (o) => o.cost, 3],
  ['pods Failed', (o) => o.failed, 0],
];

const print = (outcomes: Readonly<Record<Way, readonly Outcome[]>>): void => {
  const cell = (way: Way, value: (o: Outcome) => number, digits: number): string => {
    const all = outcomes[way].map(value);
    return all.length === 0 ? '' : mean(all).toFixed(digits);
  };
  process.stdout.write('\n| mean of the rounds | kube-scheduler alone | with us |\n| --- | --- | --- |\n');
  for (const [what, value, digits] of LINES) {
    process.stdout.write(`| ${what} | ${cell('off', value, digits)} | ${cell('on', value, digits)} |\n`);
  }
};

const { numbers, groups } = readFlags(process.argv.slice(2), {
  numbers: { pods: 200, rounds: 2, seed: 1 },
  groups: WAYS,
});
const existing = process.env.GROUND_NAME;
const ground = existing
  ? attach(existing)
  : await up({ name: 'bench-follow', cloud: true, progress: progressOn(process.stdout) });
const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'bench-follow', qps: 500, burst: 1000 });
const outcomes: Record<Way, Outcome[]> = { off: [], on: [] };
try {
  if (!existing) await ground.kubectl(['apply', '--server-side', '-k', 'manifests/overlays/processes']);
  const prices = await loadPrices();
  process.stdout.write(`${machine()}; ${numbers.rounds} rounds of ${numbers.pods} pods\n`);
  for (let round = 0; round < numbers.rounds; round++) {
    for (const way of WAYS.filter((each) => groups.has(each))) {
      const stop = way === 'on' ? await startOurs(ground) : async () => {};
      try {
        const name = `burst-${way}-${round}`;
        const seed = numbers.seed + round;
        const outcome = await runRound({ ground, client, name, pods: numbers.pods, seed, prices });
        outcomes[way].push(outcome);
        process.stdout.write(`${name}: ${JSON.stringify(outcome)}\n`);
      } finally {
        await stop();
      }
    }
  }
  print(outcomes);
} finally {
  client.close();
  if (!existing) await ground.down();
}
