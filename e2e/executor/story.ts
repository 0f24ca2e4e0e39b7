import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import { CORDONED_BY, KARPENTER_DO_NOT_DISRUPT, LOCKED_BY, PREPARING_TAINT } from '../../api/labels.ts';
import type { Node, NodeClaim } from '../../api/objects.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Write } from './ours/process.ts';

/** A history in numbered lines of plain English. */
export class Story {
  readonly #now: () => number;
  readonly #start: number;
  readonly #lines: string[] = [];

  constructor(now: () => number) {
    this.#now = now;
    this.#start = now();
  }

  tell(text: string): void {
    const seconds = ((this.#now() - this.#start) / 1000).toFixed(1);
    this.#lines.push(`${String(this.#lines.length + 1).padStart(3)}. ${seconds.padStart(6)} s  ${text}`);
  }

  get text(): string {
    return this.#lines.join('\n');
  }
}

const changeOf = (what: string, before: string | undefined, after: string | undefined): readonly string[] =>
  before === after ? [] : [after === undefined ? `takes off ${what} ${before}` : `sets ${what} ${after}`];

const nodeChanges = (before: Node, after: Node): readonly string[] => {
  const note = (node: Node, key: string): string | undefined => node.metadata.annotations?.[key];
  const isReserved = (node: Node): string | undefined =>
    node.spec?.taints?.some((t) => t.key === PREPARING_TAINT) ? 'the reservation' : undefined;
  const isCordoned = (node: Node): string | undefined =>
    node.spec?.unschedulable ? 'unschedulable' : undefined;
  return [
    ...changeOf('locked-by', note(before, LOCKED_BY), note(after, LOCKED_BY)),
    ...changeOf('cordoned-by', note(before, CORDONED_BY), note(after, CORDONED_BY)),
    ...changeOf(
      'do-not-disrupt',
      note(before, KARPENTER_DO_NOT_DISRUPT),
      note(after, KARPENTER_DO_NOT_DISRUPT),
    ),
    ...changeOf('taint:', isReserved(before), isReserved(after)),
    ...changeOf('it', isCordoned(before), isCordoned(after)),
  ];
};

const phasesOf = (plan: RebalancePlan): readonly string[] => {
  const { state, failurePhase, failureReason, conditions = [] } = plan.status ?? {};
  const reached = conditions.filter((c) => c.status === 'True').map((c) => c.type);
  const waits = conditions
    .filter((c) => c.type === 'Started' && c.status === 'False')
    .map((c) => `waits (${c.reason})`);
  return [
    ...(state ? [state] : []),
    ...(failurePhase ? [`fails in ${failurePhase}: ${failureReason}`] : []),
    ...reached,
    ...waits,
  ];
};

/** What a write did, in a few words; undefined for one that changed nothing worth telling. */
export const describeWrite = (write: Write): string | undefined => {
  const { verb, resource, ref, subresource } = write.call;
  const what = `${resource.kind} ${ref.name}`;
  const who = write.process.startsWith('kentroller')
    ? `${write.process}, for plan ${write.key},`
    : write.process;
  if (resource.kind === 'Lease' || resource.kind === 'Event') return undefined;
  if (write.error) return `${who} may not ${verb} ${what}: ${messageOf(write.error)}`;
  if (verb === 'create') {
    const types = (write.after as NodeClaim | undefined)?.spec?.requirements?.[0]?.values;
    return `${who} creates ${what}${types ? ` (${types.join(', ')})` : ''}`;
  }
  if (verb === 'evict')
    return `${who} evicts pod ${ref.name} from ${(write.before as { spec?: { nodeName?: string } })?.spec?.nodeName}`;
  if (verb === 'delete') return `${who} deletes ${what}`;
  if (verb === 'bind')
    return `${who} binds pod ${ref.name} to ${(write.call.body as { nodeName: string }).nodeName}`;
  if (resource.kind === 'Node' && write.before && write.after) {
    const changes = nodeChanges(write.before as Node, write.after as Node);
    return changes.length > 0 ? `${who} on node ${ref.name}: ${changes.join(', ')}` : undefined;
  }
  if (subresource === 'status' && resource.kind === 'RebalancePlan' && write.before && write.after) {
    const known = new Set(phasesOf(write.before as RebalancePlan));
    const news = phasesOf(write.after as RebalancePlan).filter((phase) => !known.has(phase));
    return news.length > 0 ? `${who} records: ${news.join(', ')}` : undefined;
  }
  return resource.kind === 'RebalancePlan' ? undefined : `${who} changes ${what}`;
};
