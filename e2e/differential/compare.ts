import type { Pod } from '../../api/objects.ts';
import { PODS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { paced } from '../../kube/testing/pace.ts';
import type { Snapshot } from '../../planner/model/snapshot.ts';
import { fits, nodeInfoOf } from '../../planner/scheduling/fit.ts';
import { volumesOf } from '../../planner/scheduling/volumes.ts';
import { type Case, NAMESPACES } from './cases.ts';
import type { Oracle } from './scheduler.ts';
import { create, inParallel, makeCase, pause, removeCase, removePod, worldOf } from './world.ts';

/** A pod that the scheduler and `fits` do not agree on. */
export interface Disagreement {
  readonly seed: number;
  readonly pod: Pod;
  readonly onlyScheduler: readonly string[];
  readonly onlyOurs: readonly string[];
  readonly message: string;
}

export interface Verdict {
  readonly compared: number;
  readonly refused: readonly string[];
  readonly disagreements: readonly Disagreement[];
}

const isDecided = (pod: Pod): boolean =>
  pod.status?.conditions?.some((each) => each.type === 'PodScheduled' && each.status === 'False') === true;

const PROBE = 'differential/probe';

/** The scheduler's verdict on the probes: per pod, the nodes that passed and its message. */
const ask = async (
  client: KubeClient,
  oracle: Oracle,
  probes: readonly Pod[],
  round: number,
): Promise<Map<string, { readonly passed: readonly string[]; readonly pod: Pod }>> => {
  const named = new Map<string, Pod>();
  const sent: Pod[] = [];
  await inParallel(probes, async (probe) => {
    const pod: Pod = {
      ...probe,
      metadata: {
        ...probe.metadata,
        name: `${probe.metadata.name}-${round}`,
        annotations: { [PROBE]: 'true' },
      },
      spec: { ...probe.spec, schedulerName: oracle.schedulerName },
    };
    named.set(pod.metadata.name, probe);
    if (await create(client, pod)) sent.push(pod);
  });
  const answers = new Map<string, { readonly passed: readonly string[]; readonly pod: Pod }>();
  const deadline = Date.now() + paced(30_000);
  while (answers.size < sent.length) {
    if (Date.now() > deadline)
      throw new Error(`the scheduler decided ${answers.size} of ${sent.length} pods in 30 s`);
    for (const namespace of Object.keys(NAMESPACES)) {
      for (const pod of (await client.list(PODS, { namespace })).items) {
        const probe = named.get(pod.metadata.name);
        if (!probe || !isDecided(pod)) continue;
        answers.set(probe.metadata.name, { passed: oracle.passed.get(pod.metadata.name) ?? [], pod });
      }
    }
    await pause(40);
  }
  await inParallel(sent, (pod) => removePod(client, pod));
  return answers;
};

/** The nodes that `fits` lets a pod onto. */
const oursOf = (pod: Pod, world: Snapshot): string[] => {
  const nodes = world.nodes.map((node) =>
    nodeInfoOf(
      node,
      world.pods.filter((each) => each.spec.nodeName === node.metadata.name),
    ),
  );
  const namespaces = new Map(
    world.namespaces.map((each) => [each.metadata.name, each.metadata.labels ?? {}]),
  );
  const volumes = volumesOf(world);
  return nodes
    .filter((view) => fits(pod, view, { nodes, namespaces, volumes }) === undefined)
    .map((view) => view.name);
};

/** Asks the scheduler and `fits` about a case. Differences are asked again, since a cache may have been behind. */
export const compare = async (client: KubeClient, oracle: Oracle, given: Case): Promise<Verdict> => {
  try {
    await makeCase(client, given);
    let open = given.probes;
    let compared = 0;
    let disagreements: Disagreement[] = [];
    const refused: string[] = [];
    for (let round = 0; round < 4 && open.length > 0; round += 1) {
      if (round > 0) await pause(300 * round);
      oracle.forget();
      const answers = await ask(client, oracle, open, round);
      // Listed anew each time: pods that do not tolerate a NoExecute taint are evicted in the meantime.
      const world = await worldOf(client, given.seed);
      disagreements = [];
      const again: Pod[] = [];
      for (const probe of open) {
        const answer = answers.get(probe.metadata.name);
        if (!answer) {
          if (round === 0) refused.push(probe.metadata.name);
          continue;
        }
        if (round === 0) compared += 1;
        const theirs = answer.passed.filter((name) => name.startsWith(`c${given.seed}-`));
        const ours = oursOf(answer.pod, world);
        const onlyScheduler = theirs.filter((name) => !ours.includes(name));
        const onlyOurs = ours.filter((name) => !theirs.includes(name));
        if (onlyScheduler.length + onlyOurs.length === 0) continue;
        const message =
          answer.pod.status?.conditions?.find((each) => each.type === 'PodScheduled')?.message ?? '';
        disagreements.push({ seed: given.seed, pod: answer.pod, onlyScheduler, onlyOurs, message });
        again.push(probe);
      }
      open = again;
    }
    return { compared, refused, disagreements };
  } finally {
    await removeCase(client, given);
  }
};
