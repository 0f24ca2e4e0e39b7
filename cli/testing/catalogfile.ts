import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const requirement = (key: string, value: string) => ({ key, operator: 'In', values: [value] });

/** One instance type in one zone, in the format of Karpenter's kwok provider. */
const CATALOG = [
  {
    name: 'm5.xlarge',
    architecture: 'amd64',
    operatingSystems: ['linux'],
    resources: { cpu: '4', memory: '16Gi', pods: '58' },
    offerings: [
      {
        Price: 0.192,
        Requirements: [
          requirement('karpenter.sh/capacity-type', 'on-demand'),
          requirement('topology.kubernetes.io/zone', 'us-west-2a'),
        ],
      },
    ],
  },
];

/** Writes a file for --catalog into the folder; returns its path. */
export const writeCatalog = (folder: string): string => {
  const path = join(folder, 'catalog.json');
  writeFileSync(path, JSON.stringify(CATALOG));
  return path;
};
