import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Chart } from './chart.ts';
import { cluster } from './cluster.ts';
import { kentroller } from './kentroller.ts';
import { podPinner } from './podpinner.ts';
import { renderChart, type Version } from './render.ts';
import { umbrella } from './umbrella.ts';

/** Every chart, those that others are made of first. */
export const charts = (): readonly Chart[] => {
  const parts = [kentroller(), podPinner()];
  return [cluster(), ...parts, umbrella(parts)];
};

/** The version of the checkout, which its charts have. */
export const versionOf = (root: string): string =>
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string }).version;

/** All files of all charts, by path relative to the checkout. */
export const chartFiles = (version: Version): ReadonlyMap<string, string> =>
  new Map(
    charts().flatMap((chart) =>
      [...renderChart(chart, version)].map(([file, text]) => [join(chart.folder, file), text] as const),
    ),
  );

/** The files as they lie in the checkout. */
export const checkedInFiles = (root: string): ReadonlyMap<string, string> => {
  const version = versionOf(root);
  return chartFiles({ version, appVersion: version });
};
