import t from 'tap';
import type { DaemonSet, Pod } from '../../api/objects.ts';
import { acceptsPods, clusterOf } from '../cluster/clusterview.ts';
import { makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import { itemAt } from './matrix.ts';
import { compile, type Problem } from './problem.ts';

const apart = (name: string) => ({
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: name } } },
    ],
  },
});

/** An agent as Cilium's: no two of them on a node. */
const agent = (name: string): DaemonSet => ({
  metadata: { name, namespace: 'default', uid: `ds-${name}` },
  spec: {
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'agent' }], affinity: apart(name) },
    },
  },
});

/** The agent's pod, tied to its node as the DaemonSet controller does. */
const agentOn = (name: string, node: string): Pod => ({
  ...makePod(`${name}-${node}`, {
    app: name,
    node,
    owner: 'DaemonSet',
    spec: {
      affinity: {
        ...apart(name),
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              { matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: [node] }] },
            ],
          },
        },
      },
    },
  }),
});

/** The problem of a cluster with agents on every node, and how often a pod that waits was read for its rules. */
const compiled = (
  nodes: number,
  others: readonly Pod[] = [],
): { readonly problem: Problem; readonly reads: number } => {
  const names = Array.from({ length: nodes }, (_, n) => `n${n}`);
  const agents = ['cilium', 'envoy', 'logs'];
  let reads = 0;
  const affinity = {
    get podAntiAffinity() {
      reads += 1;
      return apart('w').podAntiAffinity;
    },
  };
  const waiting = makePod('w', { app: 'w', spec: { affinity } });
  const cluster = clusterOf(
    makeSnapshot(
      names.map((name) => makeNode(name)),
      names.flatMap((name) => agents.map((each) => agentOn(each, name))),
      { daemonSets: agents.map(agent) },
    ),
    smallCatalogue,
  );
  const problem = compile({
    existingNodes: cluster.facts.map((facts, index) => ({
      view: itemAt(cluster.views, index),
      price: 0,
      isCandidate: false,
      acceptsPods: acceptsPods(facts),
      movable: new Set<Pod>(),
    })),
    pending: [waiting, ...others],
    launchOptions: [],
    daemonSets: cluster.snapshot.daemonSets,
    namespaces: cluster.namespaces,
    volumes: cluster.volumes,
  });
  return { problem, reads };
};

t.test('pods of DaemonSets, each tied to its node, make no classes of their own', async (t) => {
  const few = compiled(3);
  const many = compiled(60);
  t.equal(many.problem.nodeClasses.length, few.problem.nodeClasses.length);
  t.equal(many.problem.podClasses.length, few.problem.podClasses.length);
  t.equal(many.reads, few.reads, 'a pod that waits is compared with each DaemonSet once, whatever the nodes');
});

t.test('a pod is compared with each DaemonSet once, also where pods tell every node apart', async (t) => {
  const tied = makePod('tied', { spec: { nodeSelector: { 'kubernetes.io/hostname': 'n1' } } });
  const few = compiled(3, [tied]);
  const many = compiled(60, [tied]);
  t.equal(few.problem.nodeClasses.length, 3);
  t.equal(many.problem.nodeClasses.length, 60);
  t.equal(many.reads, few.reads);
});
