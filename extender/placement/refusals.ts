import type { Pod } from '../../api/objects.ts';
import { isBoundToNode } from '../../api/pods.ts';
import { refusalReason, wasAdmitted } from '../../api/refusedpods.ts';
import type { Cache, Change } from '../../kube/cache/cache.ts';

/** Pods refused one after the other after which a node gets no more pins. */
export const REFUSALS_IN_A_ROW = 2;
/** How long a refusal counts: long enough to end a storm of them, short enough that a node which recovered is used. */
export const REFUSAL_TTL_MS = 600_000;

/** One pod's fate at the kubelet of a node. */
interface Verdict {
  readonly uid: string;
  /** Milliseconds since the epoch; the kubelet sets it as it admits or refuses the pod, to the second. */
  readonly at: number;
  /** Why it was refused; undefined for a pod that was admitted. */
  readonly reason: string | undefined;
}

const verdictOf = (pod: Pod): Verdict | undefined => {
  const reason = refusalReason(pod);
  if (isBoundToNode(pod) || (reason === undefined && !wasAdmitted(pod))) return undefined;
  const at = Date.parse(pod.status?.startTime ?? pod.metadata.creationTimestamp ?? '');
  return { uid: pod.metadata.uid ?? '', at: Number.isNaN(at) ? 0 : at, reason };
};

/** Newest first; within one second an admitted pod counts as the newer one, so that no node is closed in error. */
const byNewest = (a: Verdict, b: Verdict): number =>
  b.at - a.at || (a.reason === undefined ? 0 : 1) - (b.reason === undefined ? 0 : 1);

/**
 * Pods that kubelets refused, by node. They are read from the pod cache, so a new leader finds the same; memory holds
 * only those that were deleted since, until they no longer count.
 */
export class Refusals {
  readonly #pods: Pick<Cache<Pod>, 'by'>;
  readonly #now: () => number;
  readonly #deleted = new Map<string, Verdict[]>();

  /** `now` is in milliseconds since the epoch. */
  constructor(pods: Pick<Cache<Pod>, 'by'>, now: () => number) {
    this.#pods = pods;
    this.#now = now;
  }

  /** Keeps the verdict on a refused pod that is deleted. */
  observe({ type, object: pod }: Change<Pod>): void {
    const { nodeName } = pod.spec;
    if (type !== 'delete' || !nodeName) return;
    const verdict = verdictOf(pod);
    if (verdict?.reason === undefined) return;
    for (const [name, verdicts] of this.#deleted)
      if (!verdicts.some((each) => this.#counts(each))) this.#deleted.delete(name);
    this.#deleted.set(
      nodeName,
      [verdict, ...(this.#deleted.get(nodeName) ?? [])].slice(0, REFUSALS_IN_A_ROW),
    );
  }

  /** Why a node gets no more pins: its kubelet refused the last pods in a row. undefined while it takes pods. */
  closedReason(nodeName: string): string | undefined {
    const pods = this.#pods.by('node', nodeName);
    const deleted = this.#deleted.get(nodeName) ?? [];
    if (deleted.length === 0 && !pods.some(({ status }) => status?.phase === 'Failed')) return undefined;
    const verdicts = [...pods.flatMap((pod) => verdictOf(pod) ?? []), ...deleted].sort(byNewest);
    const row = verdicts.slice(0, REFUSALS_IN_A_ROW);
    const isRow = row.length === REFUSALS_IN_A_ROW && row.every((verdict) => this.#counts(verdict));
    return isRow ? `its kubelet refused ${row.length} pods in a row (${row[0]?.reason})` : undefined;
  }

  #counts({ reason, at }: Verdict): boolean {
    return reason !== undefined && this.#now() - at < REFUSAL_TTL_MS;
  }
}
