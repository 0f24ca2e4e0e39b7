import { cloudOf } from '../../e2e/ground/aws/cloud.ts';
import type { Ground } from '../../e2e/ground/ground.ts';
import { Child } from '../support/child.ts';
import { readFlags } from '../support/flags.ts';
import { type MeanRow, printMeans, withBursts } from './bursts.ts';
import type { Outcome } from './outcome.ts';

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

const ROWS: readonly MeanRow[] = [
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

const { numbers, groups } = readFlags(process.argv.slice(2), {
  numbers: { pods: 200, rounds: 2, seed: 1 },
  groups: WAYS,
});
const outcomes: Record<Way, Outcome[]> = { off: [], on: [] };
const place = { bench: 'bench-follow', existing: process.env.GROUND_NAME };
await withBursts(place, numbers, async ({ ground, play }) => {
  for (let round = 0; round < numbers.rounds; round++) {
    for (const way of WAYS.filter((each) => groups.has(each))) {
      const stop = way === 'on' ? await startOurs(ground) : async () => {};
      try {
        outcomes[way].push(await play(`burst-${way}-${round}`, round));
      } finally {
        await stop();
      }
    }
  }
});
printMeans(
  [
    ['kube-scheduler alone', outcomes.off],
    ['with us', outcomes.on],
  ],
  ROWS,
);
