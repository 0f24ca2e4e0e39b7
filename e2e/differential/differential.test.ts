import t from 'tap';
import { connect } from '../../kube/client/client.ts';
import { paced } from '../../kube/testing/pace.ts';
import { up } from '../ground/ground.ts';
import { caseOf } from './cases.ts';
import { compare } from './compare.ts';
import { startOracle } from './scheduler.ts';
import { makeNamespaces } from './world.ts';

const CASES = Number(process.env.DIFFERENTIAL_CASES ?? 25);
const FIRST_SEED = Number(process.env.DIFFERENTIAL_SEED ?? 1);
const PROBES = 12;
/** Off by default in Kubernetes 1.36: tolerations with Gt and Lt. */
const FEATURE_GATES = 'TaintTolerationComparisonOperators=true';

t.test('fits lets a pod onto the same nodes as kube-scheduler', { timeout: paced(1_200_000) }, async (t) => {
  const ground = await up({
    name: `fit-${process.pid}`,
    apiserverArgs: ['--disable-admission-plugins=TaintNodesByCondition', `--feature-gates=${FEATURE_GATES}`],
  });
  const client = connect({
    kubeconfig: ground.kubeconfig,
    userAgent: 'differential',
    qps: 1000,
    burst: 2000,
  });
  const oracle = await startOracle(ground, FEATURE_GATES);
  t.teardown(async () => {
    await oracle.close();
    client.close();
    await ground.down();
  });
  await makeNamespaces(client);
  let compared = 0;
  let refused = 0;
  for (let n = 0; n < CASES; n += 1) {
    const verdict = await compare(client, oracle, caseOf(FIRST_SEED + n, PROBES));
    compared += verdict.compared;
    refused += verdict.refused.length;
    for (const each of verdict.disagreements) {
      t.fail(`seed ${each.seed}, pod ${each.pod.metadata.name}`, {
        onlyScheduler: each.onlyScheduler,
        onlyOurs: each.onlyOurs,
        message: each.message,
        spec: each.pod.spec,
        labels: each.pod.metadata.labels,
      });
    }
  }
  t.comment(`${compared} pods compared in ${CASES} clusters, ${refused} that the API server refused`);
  t.ok(compared > CASES * PROBES * 0.8, 'most pods were valid and were compared');
});
