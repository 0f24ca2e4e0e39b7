import { setTimeout as delay } from 'node:timers/promises';
import { REBALANCE_PLAN_CLAIMS } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import { paced } from '../../kube/testing/pace.ts';
import { up } from '../ground/ground.ts';
import { progressOn, SILENT } from '../ground/host/progress.ts';
import { installComponents } from '../support/components.ts';
import { outcomeOf } from '../support/outcome.ts';
import { isRunning } from '../support/workload.ts';
import {
  buildMachines,
  buildWorkload,
  INSTANCE_TYPE,
  MACHINES,
  NAMESPACE,
  PODS,
  POOL,
} from './fragmented.ts';
import { loadPrices } from './prices.ts';
import { demoState } from './state.ts';
import { openScreen } from './view.ts';
import { watchDemo } from './watch.ts';

/**
 * The demo: a cluster from nothing, fragmented, then one RebalancePlanClaim. Ends 0 only when every moved pod runs
 * where the plan put it, none was refused or lost, and the cluster costs less.
 */

const CLAIM = 'demo';
const EXECUTION_TIMEOUT_MS = 300_000;
const FRAME_MS = 250;

const out = process.stdout;
const say = (line = ''): void => void out.write(`${line}\n`);
const nameAt = process.argv.indexOf('--name');
const name = (nameAt > 0 ? process.argv[nameAt + 1] : undefined) ?? 'demo';
const progress = progressOn(out);
const stopping = new AbortController();
process.on('SIGINT', () => stopping.abort(new Error('interrupted')));

const money = (perMonth: number): string => `$${perMonth.toFixed(2)}`;

const run = async (): Promise<boolean> => {
  const startedAt = Date.now();
  const ground = await up({ name, cloud: true, realNode: true, progress });
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'precision-packer-demo' });
  await progress.during(
    `install our components, order ${MACHINES} ${INSTANCE_TYPE}, start ${PODS} pods`,
    () =>
      Promise.all([
        installComponents(ground, SILENT),
        buildMachines(client).then(() => buildWorkload(client)),
      ]),
  );
  say(await ground.kubectl(['get', 'deployments', '-n', 'castai-agent']));

  const prices = await loadPrices();
  const watching = await watchDemo({
    client,
    namespace: NAMESPACE,
    pool: POOL,
    claimName: CLAIM,
    priceOf: (type) => prices.get(type) ?? 0,
    signal: stopping.signal,
    log: createLogger({ component: 'demo', level: 'warn' }),
  });
  const before = demoState(watching.seen());
  await client.create(REBALANCE_PLAN_CLAIMS, {
    apiVersion: 'autoscaling.cast.ai/v1alpha',
    kind: 'RebalancePlanClaim',
    metadata: { name: CLAIM },
    spec: { autoExecute: true },
  });
  say('kubectl apply: RebalancePlanClaim demo, autoExecute: true');
  say();
  const screen = openScreen(out, Date.now(), Date.now);
  const deadline = Date.now() + paced(EXECUTION_TIMEOUT_MS);
  for (;;) {
    const state = demoState(watching.seen());
    screen.show(state);
    const isOver = ['Completed', 'Failed', 'Skipped', 'Canceled'].includes(state.claimState);
    if (isOver && (state.claimState !== 'Completed' || (state.running === PODS && state.pending === 0)))
      break;
    if (Date.now() > deadline)
      throw new Error(`the claim is ${state.claimState} after ${EXECUTION_TIMEOUT_MS / 1000} s`);
    stopping.signal.throwIfAborted();
    await delay(FRAME_MS);
  }

  const { plan, claim, pods, nodeClaims } = watching.seen();
  const after = demoState(watching.seen());
  say();
  say(await ground.kubectl(['get', 'rpc,rp,nodeclaims,nodes']));
  if (plan === undefined) {
    say(
      `the claim ended ${claim?.status?.state}: ${claim?.status?.errorMessage ?? claim?.status?.skippedMessage ?? ''}`,
    );
    return false;
  }
  const outcome = outcomeOf(plan, pods, nodeClaims);
  const lost = PODS - pods.filter(isRunning).length;
  const broken = watching.refused.size + lost;
  for (const line of outcome.missing) say(`not where the plan put it: ${line}`);
  for (const [pod, reason] of watching.refused) say(`refused: ${pod}: ${reason}`);
  const [costBefore, costAfter] = [before.price * 730, after.price * 730];
  const percent = (100 * (costBefore - costAfter)) / costBefore;
  say(`monthly cost before ${money(costBefore)}, after ${money(costAfter)}: ${percent.toFixed(1)} % saved`);
  if (plan.status?.savings?.lowerBoundMonthlyCost) {
    say(
      `no plan for these pods can cost less than ${money(Number(plan.status.savings.lowerBoundMonthlyCost))}`,
    );
  }
  say(`pods where the plan put them: ${outcome.placed} of ${outcome.planned}`);
  say(`pods refused or lost: ${broken}`);
  say();
  say(`whole demo: ${((Date.now() - startedAt) / 1000).toFixed(0)} s. The cluster is still there:`);
  say(`  export KUBECONFIG=${ground.kubeconfig}`);
  say(`  node e2e/ground/main.ts kubectl --name ${name} -- describe rp ${plan.metadata.name}`);
  say(`  node e2e/ground/main.ts kubectl --name ${name} -- logs -n castai-agent -l app=castai-pod-pinner`);
  say('  make down   # when you have seen enough');
  client.close();
  return broken === 0 && outcome.placed === outcome.planned && outcome.planned > 0 && costAfter < costBefore;
};

try {
  process.exitCode = (await run()) ? 0 : 1;
} catch (error) {
  say(`the demo stopped: ${messageOf(error)}`);
  process.exitCode = 1;
}
stopping.abort(new Error('done'));
process.exit();
