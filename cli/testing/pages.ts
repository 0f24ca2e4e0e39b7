import type { Pod } from '../../api/objects.ts';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import { renderPage } from '../html/page.ts';
import { type Report, reportOf } from '../reportmodel.ts';

const PODS_A_NODE = 12;

const podsOn = (node: number): Pod[] =>
  Array.from({ length: PODS_A_NODE }, (_, n) =>
    makePod(`app-${node * 5 + n}-pod-${node}-${n}`, {
      app: `a-workload-with-a-long-name-${(node * 5 + n) % 1000}`,
      cpu: 100,
      memory: 200,
      node: `ip-10-0-${node}.us-west-2.compute.internal`,
      ...(n === 0 && node % 3 === 0 && { owner: null }),
    }),
  );

/** A cluster and a plan that removes a part of its nodes; searched for by nobody. */
export const pageOf = (nodes: number, more: Partial<Report> = {}): string => {
  const numbers = Array.from({ length: nodes }, (_, n) => n);
  const name = (n: number): string => `ip-10-0-${n}.us-west-2.compute.internal`;
  const snapshot = makeSnapshot(
    numbers.map((n) => makeNode(name(n))),
    numbers.flatMap(podsOn),
  );
  const [blocked, removed] = [numbers.filter((n) => n % 3 === 0), numbers.filter((n) => n % 3 !== 0)];
  const result = {
    plan: {
      spec: {
        podsToMigrate: removed.flatMap((n) =>
          podsOn(n).map(({ metadata }, index) => ({
            namespace: 'default',
            name: metadata.name,
            srcNode: name(n),
            dstNodeClaimName: `new-${index}`,
          })),
        ),
      },
      savings: {
        projectedClusterMonthlyCost: '1',
        blueNodes: removed.map((n) => ({ name: name(n) })),
        greenNodes: removed.slice(0, 500).map((n) => ({
          name: `new-${n}`,
          instanceType: 'm5.xlarge',
          isSpot: false,
          priceHourly: '0.1',
          milliCPU: 4000,
          memoryMiB: 16_384,
        })),
      },
    },
    selectedNodes: [],
    skippedNodes: blocked.map((n) => ({
      name: name(n),
      reasons: ['pod x has no controller'],
      blockers: [
        {
          kind: 'no-controller',
          cause: 'pods have no controller',
          message: 'pod x has no controller',
          pod: `default/x-${n}`,
        },
      ],
    })),
  } as unknown as RebalanceResult;
  const cluster = clusterOf(snapshot, smallCatalogue);
  const prices = { source: 'file', region: null, summary: 'prices of a file', gaps: [] } as const;
  const report = reportOf(
    cluster,
    result,
    { catalogue: smallCatalogue, prices },
    { savingsBy: [], choices: [], kindChanges: [], unseen: ['Nodes: list them.'] },
  );
  return renderPage({ ...report, ...more }, cluster, result);
};
