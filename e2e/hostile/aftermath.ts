import { marksOn } from '../../api/identity/marks.ts';
import * as labels from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { isFinished } from '../../api/plans.ts';
import { isLive } from '../../api/pods.ts';
import { NODE_CLAIMS, NODES, PODS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { UserMarks } from './marks.ts';
import type { Watching } from './watch.ts';

/** What must hold once all plans have ended and the user is quiet, one line for each thing that does not. */

/** Marks that say where an object came from or that its drain failed; they outlive the plan, as uninstall takes them off. */
const STAYS: ReadonlySet<string> = new Set([
  labels.PLAN,
  labels.OWNED_BY,
  labels.PLANNED_CLAIM,
  labels.NODE_CLAIM,
  labels.JOIN_DEADLINE,
  labels.PIN,
  labels.REBALANCING_STATUS,
]);

const lastingMarks = (object: Node): readonly string[] => marksOn(object).filter((mark) => !STAYS.has(mark));

interface Input {
  readonly client: KubeClient;
  readonly name: string;
  readonly marks: UserMarks;
  readonly watching: Watching;
}

export const aftermath = async ({ client, name, marks, watching }: Input): Promise<readonly string[]> => {
  const inPool = { labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}` };
  const nodes = (await client.list(NODES, inPool)).items;
  const claims = (await client.list(NODE_CLAIMS, inPool)).items;
  const pods = (await client.list(PODS, { namespace: name })).items;
  const plans = (await client.list(REBALANCE_PLANS)).items;
  const lines: string[] = [];
  for (const plan of plans) {
    const { metadata, spec, status } = plan;
    if (!spec.execute && status?.startTime === undefined) continue;
    if (!isFinished(plan)) lines.push(`plan ${metadata.name} is ${status?.state ?? 'untouched'}`);
    else if (metadata.finalizers?.length) lines.push(`plan ${metadata.name} keeps its finalizer`);
  }
  for (const node of nodes) {
    if (node.metadata.deletionTimestamp) continue;
    lines.push(...marks.check(node));
    for (const mark of lastingMarks(node)) lines.push(`node ${node.metadata.name} keeps ${mark}`);
    if (node.metadata.annotations?.[labels.IN_USE_BY] !== undefined) {
      lines.push(`node ${node.metadata.name} keeps ${labels.IN_USE_BY}`);
    }
    if (node.spec?.taints?.some(({ key }) => key === labels.PREPARING_TAINT)) {
      lines.push(`node ${node.metadata.name} stays reserved`);
    }
  }
  const failed = new Set(
    [...watching.plans.values()]
      .filter(({ status }) => isFinished({ status } as never) && status?.failurePhase === 'Creation')
      .map(({ metadata }) => metadata.uid),
  );
  for (const claim of claims) {
    const { metadata, status } = claim;
    if (metadata.deletionTimestamp) {
      lines.push(`NodeClaim ${metadata.name} is still being deleted`);
      continue;
    }
    if (metadata.annotations?.[labels.IN_USE_BY] !== undefined) {
      lines.push(`NodeClaim ${metadata.name} keeps ${labels.IN_USE_BY}`);
    }
    const owner = metadata.annotations?.[labels.OWNED_BY] ?? '';
    if ([...failed].some((uid) => uid !== undefined && owner.includes(uid))) {
      lines.push(`3: NodeClaim ${metadata.name} is left of a plan that was rolled back`);
    }
    if (!nodes.some((node) => node.metadata.name === status?.nodeName)) {
      lines.push(`3: NodeClaim ${metadata.name} has no node`);
    }
  }
  for (const pod of pods.filter(isLive)) {
    const gates = pod.spec.schedulingGates?.map((gate) => gate.name) ?? [];
    if (gates.includes(labels.PIN_GATE)) lines.push(`pod ${pod.metadata.name} stays behind our gate`);
    if (pod.status?.phase !== 'Running') lines.push(`7: pod ${pod.metadata.name} does not run`);
  }
  return lines;
};
