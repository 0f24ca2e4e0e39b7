import t from 'tap';
import type { Pod } from '../api/objects.ts';
import { verifyPlan } from './plan/verify.ts';
import { provision } from './provision.ts';
import { rebalance } from './rebalance.ts';
import { fragmentedCluster, makePod } from './testing/builders.ts';
import { smallCatalogue } from './testing/randomcluster.ts';

const NOW = Date.parse('2026-06-01T12:00:00Z');
const QUANTITIES = ['1e9999', '1e99999', '1e-99999', '9'.repeat(100_000)];

const asking = (name: string, memory: string, node?: string): Pod => {
  const pod = makePod(name, { ...(node !== undefined && { node }) });
  const containers = pod.spec.containers.map((each) => ({ ...each, resources: { requests: { memory } } }));
  return { ...pod, spec: { ...pod.spec, containers } };
};

for (const quantity of QUANTITIES) {
  t.test(`a pod that asks for ${quantity.slice(0, 10)} does not stop plans for others`, async (t) => {
    const calm = fragmentedCluster(12, 12, 10);
    const node = calm.nodes[0]?.metadata.name ?? '';
    const pods = [asking('bound', quantity, node), asking('pending', quantity), makePod('honest')];
    const request = {
      snapshot: { ...calm, pods: [...calm.pods, ...pods] },
      catalogue: smallCatalogue,
      now: NOW,
      seed: 1,
      planName: 'p',
      rounds: 50,
    };
    const { plan } = rebalance(request);
    t.ok(plan, 'the other nodes are replaced');
    t.same(plan && verifyPlan(request.snapshot, smallCatalogue, plan.spec), []);
    t.ok(Number(plan?.savings.projectedSavingsPercent) > 20, plan?.savings.projectedSavingsPercent ?? '');
    const { plan: bought, unplaced } = provision(request);
    t.notOk(unplaced.some((each) => each.name === 'honest'));
    t.ok(bought, 'the honest pod gets its node');
  });
}
