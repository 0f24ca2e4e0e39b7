import { join } from 'node:path';
import { cloudOf } from '../../e2e/ground/aws/cloud.ts';
import type { Ground } from '../../e2e/ground/ground.ts';
import { type MeanRow, printMeans, withBursts } from '../follow/bursts.ts';
import type { Outcome } from '../follow/outcome.ts';
import { Child } from '../support/child.ts';
import { readFlags } from '../support/flags.ts';

/**
 * Bursts of mixed pods in a NodePool that both may use: bought for by Karpenter's provisioner alone, by us beside it, and by us
 * with nominations kept by the API server. `--pods`, `--rounds`, `--seed`, `--only karpenter,ours,kept`.
 */

const WAYS = ['karpenter', 'ours', 'kept'] as const;
type Way = (typeof WAYS)[number];

const KEPT = join(import.meta.dirname, '../../manifests/components/kept-nominations/policy.yaml');
const POLICY = {
  apiVersion: 'autoscaling.cast.ai/v1alpha',
  kind: 'AutoscalerPolicy',
  metadata: { name: 'default' },
  spec: { enabled: true, unschedulablePods: { enabled: true } },
};

const startOurs = async (ground: Ground, way: Way): Promise<() => Promise<void>> => {
  const env = { KUBECONFIG: ground.kubeconfig, POD_IP: '127.0.0.1', PEER_PORT: '0', HEALTH_PORT: '0' };
  const kentroller = Child.ofOurs('kentroller/main.ts', {
    ...env,
    ...cloudOf(ground).env,
    LEASE_DURATION: '120s',
    RENEW_DEADLINE: '100s',
    RETRY_PERIOD: '2s',
  });
  const pinner = Child.ofOurs('extender/main.ts', { ...env, HOST: '127.0.0.1', PORT: '0' });
  const stop = async (): Promise<void> => {
    await ground.kubectl(['delete', 'autoscalerpolicy', 'default', '--ignore-not-found']);
    if (way === 'kept') await ground.kubectl(['delete', '--ignore-not-found', '-f', KEPT]);
    await pinner.stop();
    await kentroller.stop();
  };
  try {
    if (way === 'kept') await ground.kubectl(['apply', '--server-side', '-f', KEPT]);
    await ground.kubectl(['apply', '--server-side', '-f', '-'], { input: JSON.stringify(POLICY) });
    await pinner.said('full state received', 300_000);
    await ground.kubectl([
      'wait',
      '--for=jsonpath={.status.active}=unschedulablePods',
      'autoscalerpolicy/default',
      '--timeout=300s',
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
};

const ROWS: readonly MeanRow[] = [
  ['pods', (o) => o.pods, 0],
  ['claims of plans', (o) => o.ofPlans, 1],
  ['claims of Karpenter', (o) => o.claims + o.extra - o.ofPlans, 1],
  ['claims more than needed', (o) => o.extra, 1],
  ['all claims there after, s', (o) => o.claimsMs / 1000, 1],
  ['all bound after, s', (o) => o.boundMs / 1000, 1],
  ['half run after, s', (o) => o.medianMs / 1000, 1],
  ['all run after, s', (o) => o.lastMs / 1000, 1],
  ['USD an hour at the end', (o) => o.cost, 3],
  ['pods Failed', (o) => o.failed, 0],
];

const { numbers, groups } = readFlags(process.argv.slice(2), {
  numbers: { pods: 100, rounds: 1, seed: 1 },
  groups: WAYS,
});
const outcomes: Record<Way, Outcome[]> = { karpenter: [], ours: [], kept: [] };
const place = { bench: 'bench-provision', existing: process.env.GROUND_NAME };
await withBursts(place, numbers, async ({ ground, play }) => {
  for (const way of WAYS.filter((each) => groups.has(each))) {
    const stop = way === 'karpenter' ? async () => {} : await startOurs(ground, way);
    try {
      for (let round = 0; round < numbers.rounds; round++)
        outcomes[way].push(await play(`buy-${way}-${round}`, round));
    } finally {
      await stop();
    }
  }
});
printMeans(
  [
    ['Karpenter alone', outcomes.karpenter],
    ['ours', outcomes.ours],
    ['ours, kept', outcomes.kept],
  ],
  ROWS,
);
const twice = (way: Way): string => {
  const rounds = outcomes[way];
  if (way === 'karpenter' || rounds.length === 0) return '';
  return `${rounds.filter((o) => o.claims + o.extra > o.ofPlans).length} of ${rounds.length}`;
};
process.stdout.write(`| bursts that both bought for | ${WAYS.map(twice).join(' | ')} |\n`);
