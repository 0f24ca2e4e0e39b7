import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { LEASES, PODS } from '../../../api/resources.ts';
import { connect } from '../../../kube/client/client.ts';
import { paced, pacedSeconds } from '../../../kube/testing/pace.ts';
import { until } from '../../../kube/testing/until.ts';
import { alone } from '../../run/alone.ts';
import { isRunning } from '../../support/workload.ts';
import { hasDocker } from '../backend.ts';
import { clusterOf, engineOf } from '../backends/kindcluster.ts';
import { attach, down, type Ground, up } from '../ground.ts';
import { CommandError, run } from '../host/command.ts';
import { processesWith } from '../host/processes.ts';
import { hostState } from '../host/state.ts';
import { canUnpackPackages } from './debian.ts';
import { docker } from './engine.ts';

/** kind end to end: the demo's claim, several real nodes under our own pods, and a host that stays as it was. */

const skip =
  canUnpackPackages() || (await hasDocker()) ? false : 'kind needs a Docker engine, or root on Debian';
const ROOT = '/var/tmp/pp-kind';
const NAMES = ['demo', 'second', 'modules'] as const;
const NAMESPACE = 'castai-agent';
const APPS = [
  'castai-kentroller',
  'castai-pod-pinner',
  'castai-pod-pinner-webhook',
  'castai-pod-pinner-webhook-keeper',
];
const env = { ...process.env, GROUND: 'kind', GROUND_STATE_DIR: ROOT };

// Programs and the node image may have to be built.
t.setTimeout(paced(1_800_000));

const stateOfHost = () =>
  hostState(
    ROOT,
    NAMES.map((name) => join(ROOT, name)),
  );

/** The nodes on which the ready pods of one of our Deployments are. */
const nodesOf = async (ground: Ground, app: string): Promise<readonly string[]> => {
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'kind-test' });
  try {
    const { items } = await client.list(PODS, { namespace: NAMESPACE, labelSelector: `app=${app}` });
    return items.filter(isRunning).map(({ spec }) => spec.nodeName ?? '');
  } finally {
    client.close();
  }
};

const areSpread = async (ground: Ground): Promise<boolean> => {
  // The keeper goes where the webhook is, be it twice to one node.
  const all = await Promise.all(
    APPS.filter((app) => !app.endsWith('-keeper')).map((app) => nodesOf(ground, app)),
  );
  if (all.every((nodes) => nodes.length === 2 && new Set(nodes).size === 2)) return true;
  throw new Error(`they are on ${JSON.stringify(all)}`);
};

const rollout = (ground: Ground, app: string): Promise<string> =>
  ground.kubectl([
    ...['rollout', 'status', `--namespace=${NAMESPACE}`, `--timeout=${pacedSeconds(180)}`],
    `deployment/${app}`,
  ]);

alone('it brings up several of kind');

t.test('kind', { skip }, async (t) => {
  const before = await stateOfHost();
  t.teardown(async () => {
    for (const name of NAMES) await down(name, env);
    if (t.passing()) rmSync(ROOT, { recursive: true, force: true });
  });

  await t.test('the demo keeps its claim', async (t) => {
    const demo = [process.execPath, 'e2e/demo/main.ts', '--name', 'demo'];
    // It ends with 1 where a single pod landed elsewhere, which Karpenter can cause on a busy machine.
    const output = await run(demo, { env, timeoutMs: paced(900_000) }).catch((error: unknown) => {
      if (error instanceof CommandError) return error.stdout;
      throw error;
    });
    const [, placed = '0', planned = '0'] =
      /pods where the plan put them: (\d+) of (\d+)\n/.exec(output) ?? [];
    const told = `${placed} of ${planned} pods, ${/whole demo: \d+ s/.exec(output)?.[0]}`;
    t.comment(told);
    t.ok(Number(planned) > 0 && Number(placed) >= 0.9 * Number(planned), told);
    t.match(output, /pods refused or lost: 0\n/);
    t.match(output, / [1-9]\d\.\d % saved\n/);
  });
  const ground = attach('demo', env);
  t.equal(ground.backend, 'kind');

  await t.test('the two replicas of a component stand on two nodes', async (t) => {
    t.ok(await until('they are apart', () => areSpread(ground), { timeoutMs: 60_000 }));
  });

  await t.test('another one on kind and one of modules stand beside it', async (t) => {
    const second = await up({ name: 'second', env });
    const modules = await up({ name: 'modules', env: { ...env, GROUND: 'modules' } });
    t.equal(new Set([ground, second, modules].map(({ server }) => server)).size, 3);
    for (const each of [ground, second, modules])
      t.equal(await each.kubectl(['get', '--raw=/readyz']), 'ok', each.name);
    for (const each of [second, modules]) await each.down();
    t.equal(await ground.kubectl(['get', '--raw=/readyz']), 'ok');
  });

  await t.test('a rolling update goes from node to node, and leaves them apart', async (t) => {
    for (const app of APPS)
      await ground.kubectl(['rollout', 'restart', `--namespace=${NAMESPACE}`, `deployment/${app}`]);
    for (const app of APPS) await rollout(ground, app);
    t.ok(await until('they are apart again', () => areSpread(ground), { timeoutMs: 60_000 }));
  });

  await t.test('with the node of a leader gone silent, the replica on the other node leads', async (t) => {
    const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'kind-test' });
    t.teardown(() => client.close());
    const worker = `${clusterOf('demo')}-worker`;
    const holderOf = async (): Promise<string> =>
      (await client.get(LEASES, { namespace: NAMESPACE, name: 'castai-kentroller' })).spec?.holderIdentity ??
      '';
    const nodeOfHolder = async (): Promise<string> => {
      const holder = await holderOf();
      const { items } = await client.list(PODS, { namespace: NAMESPACE });
      const pod = items.find(({ metadata }) => holder.startsWith(metadata.name));
      return pod?.spec.nodeName ?? '';
    };
    // The API server's node stays, so the leader must be on the other one.
    await until(
      'the leader is on the worker',
      async () => {
        if ((await nodeOfHolder()) === worker) return true;
        const name = (await holderOf()).replace(/_.*$/, '');
        await client.delete(PODS, { namespace: NAMESPACE, name }).catch(() => {});
        await rollout(ground, 'castai-kentroller');
        return false;
      },
      { timeoutMs: 180_000, everyMs: 2_000 },
    );
    await docker(engineOf(ground), ['pause', worker]);
    t.teardown(() => docker(engineOf(ground), ['unpause', worker]).catch(() => {}));
    const isElsewhere = async () => !['', worker].includes(await nodeOfHolder());
    await until('the other replica leads', isElsewhere, { timeoutMs: 60_000 });
    await docker(engineOf(ground), ['unpause', worker]);
    for (const app of APPS) await rollout(ground, app);
    t.ok(await isElsewhere(), 'the one that comes back does not take over');
  });

  await t.test('in the end the host is as it was', async (t) => {
    await ground.down();
    t.strictSame(processesWith('PRECISION_PACKER_GROUND', ground.dir), []);
    t.strictSame(await stateOfHost(), before);
  });
});
