import { writeFileSync } from 'node:fs';
import { clusterOf } from '../planner/cluster/clusterview.ts';
import type { rebalance } from '../planner/rebalance.ts';
import { rebalanceWithScoped } from '../planner/scopedparts.ts';
import { kindChangesOf, MOST_SEARCHES, splitSavings } from './changes.ts';
import { unseenOf } from './files/unseen.ts';
import type { Outcome } from './outcome.ts';
import { format } from './outputformat.ts';
import { renderTable } from './report/table.ts';
import { reportOf } from './reportmodel.ts';
import { type Input, requestOf } from './request.ts';
import { withoutRefused } from './verified.ts';

/** `report`: prints what a cluster costs and could cost. Throws UsageError. */
export const reportCommand = async (
  input: Input,
  planner: typeof rebalance = rebalanceWithScoped,
): Promise<Outcome> => {
  const { flags } = input;
  const request = await requestOf(input, 'report', '3s');
  const result = withoutRefused(request, planner(request));
  let searches = 1;
  const comparing: typeof planner = (each) => {
    searches += 1;
    input.step?.(`Finding out what the saving is made of: search ${searches} of at most ${MOST_SEARCHES}`);
    return planner(each);
  };
  const cluster = clusterOf(request.snapshot, request.catalogue);
  const report = reportOf(cluster, result, request, {
    ...splitSavings(request, result, comparing),
    kindChanges: kindChangesOf(request, result),
    unseen: unseenOf(cluster),
  });
  input.step?.('Writing the report');
  const html = flags.values.get('html');
  if (html !== undefined) {
    const { renderPage } = await import('./html/page.ts');
    writeFileSync(html, renderPage(report, cluster, result));
  }
  const output = flags.values.get('output') ?? 'table';
  return { out: output === 'table' ? renderTable(report) : await format(report, output), err: [], code: 0 };
};
