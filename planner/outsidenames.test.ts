import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { verifyPlan } from './plan/verify.ts';
import { rebalance } from './rebalance.ts';
import { fragmentedCluster, makePod } from './testing/builders.ts';
import { smallCatalogue } from './testing/randomcluster.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const NAMES = ['constructor', 'toString', 'hasOwnProperty', '__proto__'];
const cluster = fragmentedCluster(6, 6, 10);
const node = cluster.nodes[0]?.metadata.name ?? '';

/** A pod that keeps every other pod of the cluster out of its domains of a topology key. */
const repelling = (topologyKey: string): Pod => {
  const term = { topologyKey, labelSelector: {}, namespaceSelector: {} };
  return makePod('repelling', {
    app: 'repelling',
    node,
    cpu: 1,
    memory: 1,
    spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } },
  });
};

const savingsWith = (pod: Pod): string | undefined => {
  const snapshot = { ...cluster, pods: [...cluster.pods, pod] };
  const ask = { snapshot, catalogue: smallCatalogue, now: NOW, seed: 1, planName: 'p', rounds: 20 };
  const { plan } = rebalance(ask);
  if (plan && verifyPlan(snapshot, smallCatalogue, plan.spec).length > 0) return 'a plan that is not valid';
  return plan?.savings.projectedSavingsPercent;
};

t.test('anti-affinity over a label that no node has stops no savings, whatever its name', async (t) => {
  const plain = savingsWith(repelling('plain'));
  t.ok(Number(plain) > 10, `${plain} %`);
  for (const name of NAMES) t.equal(savingsWith(repelling(name)), plain, name);
});
