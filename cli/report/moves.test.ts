import t from 'tap';
import type { Pod, PodDisruptionBudget, ReplicaSet } from '../../api/objects.ts';
import { clusterOf } from '../../planner/cluster/clusterview.ts';
import type { RebalanceResult } from '../../planner/rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../../planner/testing/builders.ts';
import { smallCatalogue } from '../../planner/testing/randomcluster.ts';
import type { ProbedContainer } from './durations.ts';
import { movesOf } from './moves.ts';

/** What a report tells of each workload whose pods move. */

/** Times as kubelets write them: the pod was started at noon and ready so many seconds later. */
const ready = (pod: Pod, afterSeconds: number): Pod => ({
  ...pod,
  status: {
    phase: 'Running',
    startTime: '2026-01-01T12:00:00Z',
    conditions: [
      {
        type: 'Ready',
        status: 'True',
        lastTransitionTime: new Date(Date.parse('2026-01-01T12:00:00Z') + afterSeconds * 1000).toISOString(),
      },
    ],
  },
});

const probed = (name: string, node: string, probes: Partial<ProbedContainer>): Pod => {
  const pod = makePod(name, { node });
  return {
    ...pod,
    spec: { ...pod.spec, containers: pod.spec.containers.map((each) => ({ ...each, ...probes })) },
  };
};

const replicaSetOf = (name: string, hash: string): ReplicaSet => ({
  metadata: {
    name: `${name}-${hash}`,
    uid: `rs-${name}`,
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid: name, controller: true }],
  },
  spec: { replicas: 1 },
});

const budget = (name: string, app: string, allowed: number): PodDisruptionBudget => ({
  metadata: { name, namespace: 'default' },
  spec: { selector: { matchLabels: { app } } },
  status: { disruptionsAllowed: allowed },
});

const moved = (
  pods: readonly Pod[],
  rest: Parameters<typeof makeSnapshot>[2] = {},
  names: readonly string[] = pods.map(({ metadata }) => metadata.name),
) => {
  const podsToMigrate = names.map((name) => ({ namespace: 'default', name, dstNodeClaimName: 'new' }));
  const result = { plan: { spec: { podsToMigrate }, savings: {} } } as unknown as RebalanceResult;
  return movesOf(clusterOf(makeSnapshot([makeNode('a'), makeNode('b')], pods, rest), smallCatalogue), result);
};
const risksIn = (moves: ReturnType<typeof movesOf>): readonly string[] =>
  moves.flatMap(({ risks }) => risks.map(({ message }) => message));

t.test('moves are told by workload, with the Deployment of a ReplicaSet and all of its pods', async (t) => {
  const pods = ['web-1', 'web-2', 'web-3'].map((name) => makePod(name, { node: 'a' }));
  const moves = moved(pods, { replicaSets: [replicaSetOf('web', '5d4f8c7b9d')] }, ['web-1', 'web-2']);
  t.match(moves, [
    { kind: 'Deployment', namespace: 'default', name: 'web', pods: 2, podsInAll: 3, risks: [] },
  ]);
});

const RISKS: readonly { readonly says: string; readonly risks: readonly string[]; readonly pods: Pod[] }[] = [
  {
    says: 'an only pod',
    pods: [makePod('web', { node: 'a' })],
    risks: ['its only pod: it is down until its successor is ready'],
  },
  {
    says: 'all pods on one node without a budget',
    pods: [makePod('web-1', { node: 'a' }), makePod('web-2', { node: 'a' })],
    risks: ['all 2 pods are on one node and no PodDisruptionBudget covers them, so they go at once'],
  },
  {
    says: 'pods on two nodes risk nothing',
    pods: [makePod('web-1', { node: 'a' }), makePod('web-2', { node: 'b' })],
    risks: [],
  },
  {
    says: 'a pod that nothing makes again',
    pods: [makePod('debug', { node: 'a', owner: null })],
    risks: ['nothing makes it again once it is evicted'],
  },
  {
    says: 'volumes, and what stays behind',
    pods: [
      makePod('db-1', {
        node: 'a',
        spec: {
          terminationGracePeriodSeconds: 600,
          volumes: [
            { name: 'data', persistentVolumeClaim: { claimName: 'data-db' } },
            { name: 'logs', hostPath: { path: '/var/log/db' } },
            { name: 'tmp', emptyDir: {} },
          ],
        },
      }),
      makePod('db-2', { node: 'b' }),
    ],
    risks: [
      'data stays behind on the old node: hostPath /var/log/db',
      'volume data-db is detached and attached again',
      'its pods may take 10 min to stop',
      'what its scratch volume tmp holds is lost',
    ],
  },
  {
    says: 'a long start',
    pods: [ready(makePod('web-1', { node: 'a' }), 300), ready(makePod('web-2', { node: 'b' }), 290)],
    risks: ['its pods took 5 min to become ready'],
  },
  {
    says: 'probes that put readiness off, though no pod has shown it',
    pods: ['web-1', 'web-2'].map((name, n) =>
      probed(name, n === 0 ? 'a' : 'b', { readinessProbe: { initialDelaySeconds: 180 } }),
    ),
    risks: ['its probes let no pod be ready before 3 min have passed'],
  },
  {
    says: 'a slow startup probe, where no pod has shown a start',
    pods: ['web-1', 'web-2'].map((name, n) =>
      probed(name, n === 0 ? 'a' : 'b', { startupProbe: { failureThreshold: 60, periodSeconds: 10 } }),
    ),
    risks: ['its startup probe allows its pods 10 min to start, and none has shown how long it takes'],
  },
  {
    says: 'no slow startup probe of pods that start fast',
    pods: ['web-1', 'web-2'].map((name, n) =>
      ready(
        probed(name, n === 0 ? 'a' : 'b', {
          startupProbe: { failureThreshold: 60 },
          readinessProbe: { periodSeconds: 5 },
        }),
        20,
      ),
    ),
    risks: [],
  },
];

for (const { says, pods, risks } of RISKS) {
  t.test(`a move's risk is told: ${says}`, async (t) => {
    t.strictSame(risksIn(moved(pods)), risks);
  });
}

t.test('a budget says how many pods go at a time, and a surge that the successor is first', async (t) => {
  const pods = [makePod('web', { node: 'a' })];
  t.strictSame(risksIn(moved(pods, { podDisruptionBudgets: [budget('guard', 'web', 1)] })), [
    'its only pod: it is down until its successor is ready',
    'PodDisruptionBudget guard lets 1 pod go at a time now',
  ]);
  const surging = pods.map((pod) => ({
    ...pod,
    metadata: { ...pod.metadata, annotations: { 'autoscaling.cast.ai/surge': 'true' } },
  }));
  t.strictSame(risksIn(moved(surging, { replicaSets: [replicaSetOf('web', '5d4f8c7b9d')] })), [
    'its only pod: its successor starts first',
  ]);
});

t.test('what is not known of a duration is not guessed', async (t) => {
  t.match(moved([makePod('web', { node: 'a' })]), [{ stopSeconds: 30, startSeconds: null }]);
  const seen = [4, 12, 900].map((seconds, n) => ready(makePod(`web-${n}`, { node: 'a' }), seconds));
  t.match(moved(seen), [{ startSeconds: 12 }], 'the middle one of three: readiness may have come and gone');
});

t.test('the workload with the worst risk is first, not the one with most pods', async (t) => {
  const many = ['a-1', 'a-2', 'a-3'].map((name, n) => makePod(name, { app: 'a', node: n === 0 ? 'a' : 'b' }));
  const names = moved([...many, makePod('b-1', { app: 'b', node: 'a' })]).map(({ name }) => name);
  t.strictSame(names, ['b', 'a']);
});

/** A bound claim and its volume from this source. */
const bound = (name: string, source: object) => ({
  claim: { metadata: { name, namespace: 'default' }, spec: { volumeName: `pv-${name}` } },
  volume: { metadata: { name: `pv-${name}` }, spec: { accessModes: ['ReadWriteOnce'], ...source } },
});

t.test('only volumes that nodes attach are told as detached and attached again', async (t) => {
  const volumes = [
    bound('disk', { csi: { driver: 'ebs.csi.aws.com', volumeHandle: 'vol-1' } }),
    bound('old-disk', { awsElasticBlockStore: { volumeID: 'vol-2' } }),
    bound('files', { csi: { driver: 'efs.csi.aws.com', volumeHandle: 'fs-1' } }),
    bound('share', { nfs: { server: 'nfs', path: '/' } }),
  ];
  const mounts = [...volumes.map(({ claim }) => claim.metadata.name), 'unknown'].map((claimName) => ({
    name: claimName,
    persistentVolumeClaim: { claimName },
  }));
  const inline = { name: 'inline-disk', awsElasticBlockStore: { volumeID: 'vol-3' } };
  const pods = [
    makePod('db-1', { node: 'a', spec: { volumes: [...mounts, inline] } }),
    makePod('db-2', { node: 'b' }),
  ];
  const rest = {
    persistentVolumeClaims: volumes.map(({ claim }) => claim),
    persistentVolumes: volumes.map(({ volume }) => volume),
  };
  t.strictSame(risksIn(moved(pods, rest)), [
    'volumes disk, inline-disk, old-disk and 1 more are detached and attached again',
  ]);
  const shared = [makePod('web-1', { node: 'a', spec: { volumes: mounts.slice(2, 4) } }), ...pods.slice(1)];
  t.strictSame(risksIn(moved(shared, rest, ['web-1'])), [], 'what is mounted over the network moves freely');
});
