import { ARCH, KARPENTER_CAPACITY_TYPE } from '../api/labels.ts';
import type { RebalanceRequest, RebalanceResult } from '../planner/rebalance.ts';
import { type Keep, keeping } from './keep.ts';
import { withoutRefused } from './verified.ts';

/** Pods that a plan moves from one kind of machine to another, such as 3 from 'on-demand' to 'spot'. */
export interface KindChange {
  readonly what: Keep;
  readonly from: string;
  readonly to: string;
  readonly pods: number;
}

type Answer = Pick<RebalanceResult, 'plan'>;
type Kinds = Readonly<Record<Keep, string | undefined>>;

const kindsBy = (labels: Readonly<Record<string, string>> | undefined): Kinds => ({
  'capacity-type': labels?.[KARPENTER_CAPACITY_TYPE],
  architecture: labels?.[ARCH],
});

/** The kinds of machine that pods leave and reach, counted; most pods first. */
export const kindChangesOf = (
  { snapshot, catalogue }: Pick<RebalanceRequest, 'snapshot' | 'catalogue'>,
  { plan }: Answer,
): readonly KindChange[] => {
  const archOf = new Map(catalogue.instanceTypes.map(({ name, arch }) => [name, arch]));
  const ofNode = new Map(snapshot.nodes.map(({ metadata }) => [metadata.name, kindsBy(metadata.labels)]));
  const ofClaim = new Map<string, Kinds>(
    snapshot.nodeClaims.map(({ metadata, status }) => [
      metadata.name,
      ofNode.get(status?.nodeName ?? '') ?? kindsBy(metadata.labels),
    ]),
  );
  for (const { name, instanceType, capacityType, isSpot } of plan?.savings.greenNodes ?? []) {
    const kind = capacityType ?? (isSpot ? 'spot' : 'on-demand');
    ofClaim.set(name, { 'capacity-type': kind, architecture: archOf.get(instanceType) });
  }
  const counts = new Map<string, KindChange>();
  for (const { srcNode, dstNodeClaimName } of plan?.spec.podsToMigrate ?? []) {
    const [before, after] = [ofNode.get(srcNode ?? ''), ofClaim.get(dstNodeClaimName)];
    for (const what of ['capacity-type', 'architecture'] as const) {
      const [from, to] = [before?.[what], after?.[what]];
      if (from === undefined || to === undefined || from === to) continue;
      const key = `${what} ${from} ${to}`;
      counts.set(key, { what, from, to, pods: (counts.get(key)?.pods ?? 0) + 1 });
    }
  }
  return [...counts.values()].sort((a, b) => b.pods - a.pods);
};

/** A part of a saving, in USD per month. */
export interface SavingPart {
  readonly by: 'packing' | Keep;
  readonly monthly: number;
}

const monthlyOf = ({ plan }: Answer): number => Number(plan?.savings.projectedSavingsCostMonthly ?? 0);

/**
 * The saving of a plan in parts: what packing reaches on machines of the same kinds, and what each change of kind adds.
 * It plans again without those changes, so a plan without any is not planned twice.
 */
export const splitSavings = (
  request: RebalanceRequest,
  result: Answer,
  planner: (request: RebalanceRequest) => RebalanceResult,
): readonly SavingPart[] => {
  const changed = [...new Set(kindChangesOf(request, result).map(({ what }) => what))];
  const parts: SavingPart[] = [];
  let rest = monthlyOf(result);
  // Architecture last: whether images run on another one is not known.
  const order = (['architecture', 'capacity-type'] as const).filter((each) => changed.includes(each));
  for (const [at, by] of order.entries()) {
    const kept = { ...request, snapshot: keeping(request.snapshot, order.slice(0, at + 1)) };
    const without = Math.min(rest, Math.max(0, monthlyOf(withoutRefused(kept, planner(kept)))));
    parts.unshift({ by, monthly: rest - without });
    rest = without;
  }
  return [{ by: 'packing', monthly: rest }, ...parts];
};

const WAYS: Readonly<Record<SavingPart['by'], string>> = {
  packing: 'by packing, on machines of the same kinds',
  'capacity-type': 'by another capacity type',
  architecture: 'by another architecture',
};

/** What a saving is made of, a line a part; nothing where packing alone makes it. */
export const describeSplit = (o: {
  readonly savingsBy: readonly SavingPart[];
  readonly kindChanges: readonly KindChange[];
}): readonly string[] =>
  o.savingsBy.length < 2
    ? []
    : o.savingsBy.map(({ by, monthly }) => {
        const moves = o.kindChanges
          .filter(({ what }) => what === by)
          .map(
            ({ pods, from, to }) => `${pods} ${pods === 1 ? 'pod moves' : 'pods move'} from ${from} to ${to}`,
          );
        const risk = by === 'architecture' ? ['whether their images run there is not known'] : [];
        const details = [...moves, ...risk].join(', ');
        return `${monthly.toFixed(2)} USD a month ${WAYS[by]}${details === '' ? '' : `: ${details}`}`;
      });

/** A label of a machine in the report: 'm5.large, spot, us-west-2a'. */
export const machineLabel = (o: {
  readonly instanceType: string;
  readonly capacityType: string | null;
  readonly architecture: string | null;
  readonly zone: string | null;
}): string => [o.instanceType, o.capacityType, o.architecture, o.zone].filter(Boolean).join(', ');
