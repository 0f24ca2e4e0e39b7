import { loadPrices } from '../../e2e/demo/prices.ts';
import { attach, type Ground, up } from '../../e2e/ground/ground.ts';
import { progressOn } from '../../e2e/ground/host/progress.ts';
import { connect } from '../../kube/client/client.ts';
import { machine } from '../support/bed.ts';
import { mean } from '../support/figures.ts';
import type { Outcome } from './outcome.ts';
import { runRound } from './round.ts';

/** What the benches of bursts share: a ground with their rounds, and the means of the outcomes. */

export interface Bursts {
  readonly ground: Ground;
  /** One burst; `round` counts from 0. */
  readonly play: (name: string, round: number) => Promise<Outcome>;
}

interface BurstNumbers {
  readonly pods: number;
  readonly rounds: number;
  readonly seed: number;
}

/** Works on a ground that is there, else on one of its own that is taken down at the end. */
export const withBursts = async (
  { bench, existing }: { readonly bench: string; readonly existing: string | undefined },
  { pods, rounds, seed }: BurstNumbers,
  work: (bursts: Bursts) => Promise<void>,
): Promise<void> => {
  const ground = existing
    ? attach(existing)
    : await up({ name: bench, cloud: true, progress: progressOn(process.stdout) });
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: bench, qps: 500, burst: 1000 });
  try {
    if (!existing) await ground.kubectl(['apply', '--server-side', '-k', 'manifests/overlays/processes']);
    const prices = await loadPrices();
    process.stdout.write(`${machine()}; ${rounds} rounds of ${pods} pods\n`);
    const play = async (name: string, round: number): Promise<Outcome> => {
      const outcome = await runRound({ ground, client, name, pods, seed: seed + round, prices });
      process.stdout.write(`${name}: ${JSON.stringify(outcome)}\n`);
      return outcome;
    };
    await work({ ground, play });
  } finally {
    client.close();
    if (!existing) await ground.down();
  }
};

/** What a row shows, the value of one round, and the digits of the mean. */
export type MeanRow = readonly [what: string, value: (o: Outcome) => number, digits: number];

/** Prints the means of the rounds, a column for each list of outcomes. */
export const printMeans = (
  columns: readonly (readonly [title: string, outcomes: readonly Outcome[]])[],
  rows: readonly MeanRow[],
): void => {
  const titles = columns.map(([title]) => title).join(' | ');
  process.stdout.write(`\n| mean of the rounds | ${titles} |\n|${' --- |'.repeat(columns.length + 1)}\n`);
  for (const [what, value, digits] of rows) {
    const cells = columns.map(([, all]) => (all.length === 0 ? '' : mean(all.map(value)).toFixed(digits)));
    process.stdout.write(`| ${what} | ${cells.join(' | ')} |\n`);
  }
};
