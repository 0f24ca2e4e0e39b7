import t from 'tap';
import { NODE_CLAIMS, REBALANCE_PLANS } from '../api/resources.ts';
import { checkCommand } from '../cli/check/command.ts';
import type { Check } from '../kube/preflight/check.ts';
import { pacedSeconds } from '../kube/testing/pace.ts';
import { until } from '../kube/testing/until.ts';
import { seeded, shuffled } from './faults/random.ts';
import { auditLogOf } from './ground/controlplane/audit.ts';
import { attach, type Ground } from './ground/ground.ts';
import { SILENT } from './ground/host/progress.ts';
import { REAL_NODE } from './ground/node/kubelet.ts';
import { holdMachines } from './install/heldmachines.ts';
import { startRegistry } from './install/registry.ts';
import { checkoutBefore, imageOf, pushRelease, type Release, ROOT } from './install/release.ts';
import { byHelm, byKustomize } from './install/ways.ts';
import { leaveOut } from './rights/requests.ts';
import { uninstallSeed } from './run/chosen.ts';
import { lackHere } from './run/needs.ts';
import { claimEnded, claimRebalance, planOf, planReaches } from './support/claim.ts';
import { installComponents } from './support/components.ts';
import { outcomeOf } from './support/outcome.ts';
import { remainsAfter } from './support/remains.ts';
import { onStage, type Stage } from './support/stage.ts';
import { kubectl, LIMIT_MS } from './support/uninstall.ts';
import { witness } from './support/witness.ts';
import { podsRunning } from './support/workload.ts';

/**
 * The whole way of an installation, as README.md says it, from images and charts that `make push` has put into a registry. See
 * docs/designs/0052-charts.md.
 */

const SEED = uninstallSeed(process.env, Date.now());
const PODS_OF_STAGE = 12;
/** Karpenter is a process of the ground, and the region of its nodes is not AWS'. */
const OF_THE_GROUND = ['karpenter', 'nodepools', 'cloud'];

/** What `precision-packer check` finds, but for what a ground lacks. */
const found = async ({ client }: Stage): Promise<readonly Check[]> => {
  const { out } = await checkCommand(client, { words: ['check'], values: new Map([['output', 'json']]) });
  const { checks } = JSON.parse(out) as { readonly checks: readonly Check[] };
  return checks.filter(({ name }) => !OF_THE_GROUND.includes(name));
};

const isBad = ({ state }: Check): boolean => state === 'lacks' || state === 'unknown';

const nothingLeft = async (test: Pick<typeof t, 'strictSame'>, { client }: Stage): Promise<void> => {
  const left = await remainsAfter(client, LIMIT_MS);
  test.strictSame(left, [], 'nothing of ours is left');
};

/** Images that the pods of castai-agent run. */
const imagesRun = async ({ ground }: Stage): Promise<readonly string[]> => {
  const path = '--output=jsonpath={.items[*].spec.containers[*].image}';
  const images = await ground.kubectl(['get', 'pods', '--namespace=castai-agent', path]);
  return images.split(/\s+/).filter(Boolean);
};

/** Names of the ReplicaSets of castai-agent. */
const replicaSets = async ({ ground }: Stage): Promise<readonly string[]> => {
  const path = '--output=jsonpath={.items[*].metadata.name}';
  const names = await ground.kubectl(['get', 'replicasets', '--namespace=castai-agent', path]);
  return names.split(/\s+/).filter(Boolean);
};

let registry: Promise<void> | undefined;
let pushed: Promise<{ readonly before: Release; readonly now: Release }> | undefined;

/** The ground's registry, for as long as this file runs. */
const registryOn = (ground: Ground): Promise<void> => {
  registry ??= startRegistry(t, ground);
  return registry;
};

/** Both releases in the ground's registry. */
const releases = (ground: Ground): NonNullable<typeof pushed> => {
  pushed ??= (async () => {
    await registryOn(ground);
    const before = await pushRelease(ground, await checkoutBefore(t), 'before');
    return { before, now: await pushRelease(ground, ROOT, 'now') };
  })();
  return pushed;
};

const lack = await lackHere('a registry on the loopback of its nodes');
const isSoak = process.env.SOAK !== undefined && process.env.SOAK !== '';
t.test('the image of make push is pulled by digest', { skip: lack }, async (t) => {
  const ground = attach(process.env.GROUND_NAME ?? '');
  await registryOn(ground);
  const image = await imageOf(await pushRelease(ground, ROOT, 'now'));
  const name = 'pulled';
  t.teardown(() => kubectl({ ground }, 'delete', 'pod', name, '--ignore-not-found', '--now'));
  const spec = {
    nodeName: REAL_NODE,
    restartPolicy: 'Never',
    containers: [{ name, image, args: ['--version'], imagePullPolicy: 'Always' }],
  };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  await ground.kubectl(['apply', '--filename=-'], { input: JSON.stringify(pod) });
  const ends = ['wait', 'pod', name, '--for=jsonpath={.status.phase}=Succeeded'];
  await ground.kubectl([...ends, `--timeout=${pacedSeconds(60)}`]);
  const ran = '--output=jsonpath={.status.containerStatuses[0].imageID}';
  t.equal(await ground.kubectl(['get', 'pod', name, ran]), image);
});

const skip = isSoak ? lack : 'SOAK=1 plays it: each way takes minutes';
for (const wayOf of [byKustomize, byHelm]) {
  t.test(
    `check, install, claim, upgrade in mid-plan, disable and uninstall (${wayOf.name}, seed ${SEED})`,
    { skip },
    (t) =>
      onStage(t, { name: wayOf.name.toLowerCase(), machines: 4 }, async (stage) => {
        const { client, ground, name } = stage;
        const way = wayOf(stage);
        const random = seeded(SEED);
        let at = performance.now();
        const lap = (what: string): void => {
          t.comment(`${what}: ${((performance.now() - at) / 1000).toFixed(1)} s`);
          at = performance.now();
        };
        const { before, now } = await releases(ground);
        lap('push');
        let letGo = async (): Promise<void> => {};

        try {
          await kubectl(stage, 'delete', '--ignore-not-found', '--kustomize=manifests/base');
          await nothingLeft(t, stage);
          lap('uninstall what the runner installed');
          const checks = await found(stage);
          t.strictSame(checks.filter(isBad), [], 'check: nothing is in the way');
          t.ok(checks.some(({ name, state }) => name === 'may-install' && state === 'fine'));

          await way.install(before);
          leaveOut(auditLogOf(ground), await replicaSets(stage));
          lap('install the release before');
          const seen = await witness(client, name);
          t.teardown(() => seen.stop());
          letGo = await holdMachines(stage);
          await claimRebalance(client, { name, pool: name });
          const { metadata } = await planOf(client, name, 180_000);
          await planReaches(
            client,
            metadata.name,
            'a node drains',
            ({ status }) => Object.keys(status?.nodesDeletion ?? {}).length > 0,
            360_000,
          );
          lap('claim, until a node drains');
          await way.install(now);
          const { status } = await client.get(REBALANCE_PLANS, { name: metadata.name });
          t.equal(status?.state, 'Running', 'the plan runs after the upgrade');
          await letGo();
          lap('upgrade while its plan runs');
          // Pods of the release before go in their own time, after the rollout.
          const isOld = (image: string): boolean =>
            !image.startsWith(`${now.registry}/precision-packer@sha256:`);
          await until(
            'every pod runs the image that its node pulled by digest',
            async () => {
              const old = (await imagesRun(stage)).filter(isOld);
              if (old.length > 0) throw new Error(`there is ${old[0]}`);
              return true;
            },
            { timeoutMs: 120_000, everyMs: 1_000 },
          );
          const claim = await claimEnded(client, name, 360_000);
          t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'the claim completed');
          const plan = await planOf(client, name);
          t.equal(plan.metadata.uid, metadata.uid, 'the plan is the one that the release before has made');
          const pods = await podsRunning(client, name, PODS_OF_STAGE, 180_000);
          const outcome = outcomeOf(plan, pods, (await client.list(NODE_CLAIMS)).items);
          t.strictSame(outcome.missing, [], 'every moved pod runs where the plan put it');
          t.ok(
            Number(plan.status?.savings?.projectedMonthlyCost) <
              Number(plan.status?.savings?.currentMonthlyCost),
          );
          t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');
          lap('the plan ends');
          t.strictSame((await found(stage)).filter(isBad), [], 'check: nothing is lacking');

          await way.disable(now);
          await kubectl(stage, 'scale', 'deployment/app-1', `--namespace=${name}`, '--replicas=6');
          await podsRunning(client, name, PODS_OF_STAGE + 2, 180_000);
          lap('disable');
          await way.remove(now, (items) => shuffled(items, random));
          await nothingLeft(t, stage);
          lap('uninstall');
        } finally {
          await letGo();
          // The stage is cleared, and the next suite plays, on kinds that are there again.
          await installComponents(ground, SILENT);
        }
      }),
  );
}
