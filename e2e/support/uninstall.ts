import type t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { hasJoined } from '../../api/nodes.ts';
import { NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import { paced, paceIn } from '../../kube/testing/pace.ts';
import { until } from '../../kube/testing/until.ts';
import { CommandError, run } from '../ground/host/command.ts';
import { SILENT } from '../ground/host/progress.ts';
import { claimRebalance, planOf, planReaches } from './claim.ts';
import { controlOf, installComponents } from './components.ts';
import { marksLeft, remainsAfter } from './remains.ts';
import { onStage, type Stage } from './stage.ts';
import { podsRunning } from './workload.ts';

/** Scenes in which everything of ours is taken away while a plan is in the middle. */

/** What the README promises of an uninstall, in milliseconds of a quiet machine. */
export const LIMIT_MS = 120_000;

const HOLD = 'test.example/hold';
const MACHINES = 3;
const PODS_PER_STAGE = 12;

export type Phase = 'Creation' | 'Deletion';

/** Keeps evicted pods terminating, so that a drain never ends; returns what lets them go. */
const holdPods = async ({ client, name }: Stage): Promise<() => Promise<void>> => {
  const { items } = await client.list(PODS, { namespace: name });
  const set = (finalizers: readonly string[] | null) =>
    Promise.allSettled(
      items.map(({ metadata }) =>
        client.patch(PODS, { name: metadata.name, namespace: name }, { metadata: { finalizers } }),
      ),
    );
  await set([HOLD]);
  return async () => void (await set(null));
};

/** Has a plan made, and brings it to a phase that it can't leave by itself. Returns what lets its pods go. */
const stopIn = async (stage: Stage, phase: Phase): Promise<() => Promise<void>> => {
  const { client, ground, name } = stage;
  await claimRebalance(client, { name, pool: name, spec: { autoExecute: false } });
  const { metadata } = await planOf(client, name, 120_000);
  const execute = () => client.patch(REBALANCE_PLANS, { name: metadata.name }, { spec: { execute: true } });
  const reaches = (what: string, isThere: (plan: RebalancePlan) => boolean) =>
    planReaches(client, metadata.name, what, isThere, 180_000);
  if (phase === 'Creation') {
    await controlOf(ground).setFaults({ delays: { joinMs: 3_600_000 } });
    await execute();
    await until(
      'a placeholder stands',
      async () => (await client.list(NODES)).items.some((node) => !hasJoined(node)),
      { timeoutMs: 180_000 },
    );
    return () => Promise.resolve();
  }
  const letGo = await holdPods(stage);
  await execute();
  await reaches('a node drains', ({ status }) => Object.keys(status?.nodesDeletion ?? {}).length > 0);
  await until(
    'a pod was evicted',
    async () =>
      (await client.list(PODS, { namespace: name })).items.some((p) => p.metadata.deletionTimestamp),
    { timeoutMs: 60_000 },
  );
  return letGo;
};

/** Runs kubectl to its end; objects that went with others are no error. */
export const kubectl = async ({ ground }: Pick<Stage, 'ground'>, ...args: string[]): Promise<void> => {
  try {
    await ground.kubectl(args, { timeoutMs: paced(LIMIT_MS) });
  } catch (error) {
    if (!(error instanceof CommandError) || error.code === undefined) throw error;
    const others = error.stderr
      .split('\n')
      .filter(
        (line) => line.trim() !== '' && !/NotFound|not found|^Warning|deleting cluster-scoped/.test(line),
      );
    if (others.length > 0) throw error;
  }
};

/**
 * Brings a plan into a phase, takes us away, and checks that nothing of ours is left and all pods run. Installs us again
 * for the tests that follow.
 */
export const takeAway = (
  test: Pick<typeof t, 'comment' | 'equal' | 'strictSame'>,
  o: { readonly name: string; readonly phase: Phase },
  act: (stage: Stage) => Promise<void>,
): Promise<void> =>
  onStage(test, { name: o.name, machines: MACHINES }, async (stage) => {
    const { client, ground, name } = stage;
    const letGo = await stopIn(stage, o.phase);
    try {
      const since = performance.now();
      await act(stage);
      const acted = performance.now();
      const spent = (acted - since) / paceIn(process.env);
      const left = await remainsAfter(client, Math.max(5_000, LIMIT_MS - spent));
      const seconds = (ms: number) => ((ms - since) / 1000).toFixed(1);
      test.comment(
        `${o.name}: commands ended after ${seconds(acted)} s, all gone after ${seconds(performance.now())} s`,
      );
      test.strictSame(left, [], 'nothing of ours is left');
      await letGo();
      await controlOf(ground).clearFaults();
      test.equal((await podsRunning(client, name, PODS_PER_STAGE, 180_000)).length, PODS_PER_STAGE);
    } finally {
      await letGo();
      await controlOf(ground).clearFaults();
      await installComponents(ground, SILENT);
    }
  });

/** The command line tool on the stage's cluster; returns what it prints. Throws CommandError when it exits with another code than 0. */
export const cli = ({ ground }: Pick<Stage, 'ground'>, ...args: string[]): Promise<string> =>
  run([process.execPath, 'cli/main.ts', ...args, `--kubeconfig=${ground.kubeconfig}`], {
    timeoutMs: paced(LIMIT_MS),
  });

/** Waits until nothing of ours is on nodes, pods, NodeClaims and plans. */
export const marksGone = ({ client }: Pick<Stage, 'client'>): Promise<boolean> =>
  until('no mark of ours is left', async () => (await marksLeft(client)).length === 0, {
    timeoutMs: LIMIT_MS,
    everyMs: 500,
  });
