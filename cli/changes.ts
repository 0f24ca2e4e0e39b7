import type { RebalanceRequest, RebalanceResult } from '../planner/rebalance.ts';
import { familyOf, KEEPS, type Keep, keeping, kindsOf } from './keep.ts';
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

/** The kinds of machine that pods leave and reach, counted; most pods first. */
export const kindChangesOf = (
  { snapshot, catalogue }: Pick<RebalanceRequest, 'snapshot' | 'catalogue'>,
  { plan }: Answer,
): readonly KindChange[] => {
  const archOf = new Map(catalogue.instanceTypes.map(({ name, arch }) => [name, arch]));
  const ofNode = new Map(snapshot.nodes.map((node) => [node.metadata.name, kindsOf(node)]));
  const ofClaim = new Map<string, Kinds>(
    snapshot.nodeClaims.flatMap(({ metadata, status }) => {
      const kinds = ofNode.get(status?.nodeName ?? '');
      return kinds ? [[metadata.name, kinds]] : [];
    }),
  );
  for (const { name, instanceType, capacityType, isSpot, zone } of plan?.savings.greenNodes ?? []) {
    ofClaim.set(name, {
      'capacity-type': capacityType ?? (isSpot ? 'spot' : 'on-demand'),
      architecture: archOf.get(instanceType),
      zone,
      family: familyOf(instanceType),
    });
  }
  const counts = new Map<string, KindChange>();
  for (const { srcNode, dstNodeClaimName = '', dstNodeName = '' } of plan?.spec.podsToMigrate ?? []) {
    const before = ofNode.get(srcNode ?? '');
    const after = ofClaim.get(dstNodeClaimName) ?? ofNode.get(dstNodeName);
    for (const what of KEEPS) {
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

/** What a plan reaches with some kinds of machine kept, beside what another reaches without. USD per month. */
export interface Choice {
  readonly keeps: readonly Keep[];
  readonly monthlySavings: number;
  readonly podsMoved: number;
  /** Whether this is the plan that the report shows. */
  readonly isShown: boolean;
}

export interface Split {
  readonly savingsBy: readonly SavingPart[];
  /** The plan with and without other capacity types and architectures; empty where it changes neither. */
  readonly choices: readonly Choice[];
}

const monthlyOf = ({ plan }: Answer): number => Number(plan?.savings.projectedSavingsCostMonthly ?? 0);

const choiceOf = (keeps: readonly Keep[], answer: Answer, isShown: boolean): Choice => ({
  keeps,
  monthlySavings: monthlyOf(answer),
  podsMoved: answer.plan?.spec.podsToMigrate?.length ?? 0,
  isShown,
});

/** In which order kinds are kept, one more at a time. Architecture first: whether images run on another one is not known. */
const KEPT_IN_TURN = ['architecture', 'capacity-type', 'zone', 'family'] as const satisfies readonly Keep[];
/** Searches that a report makes at most: its plan, and as many to compare it with as there are kinds. */
export const MOST_SEARCHES = 1 + KEPT_IN_TURN.length;
/** What `--keep` is advised for: the others change nothing that a pod can notice but its price. */
const NOTICEABLE: readonly Keep[] = ['capacity-type', 'architecture'];

const isSame = (kept: ReadonlySet<Keep>, others: readonly Keep[]): boolean =>
  kept.size === others.length && others.every((each) => kept.has(each));

/** Whether a machine that the plan buys has another price in another zone. */
const isPricedByZone = ({ catalogue }: Pick<RebalanceRequest, 'catalogue'>, { plan }: Answer): boolean => {
  const bought = new Set((plan?.savings.greenNodes ?? []).map(({ instanceType }) => instanceType));
  return catalogue.instanceTypes
    .filter(({ name }) => bought.has(name))
    .some(({ offerings }) =>
      [...Map.groupBy(offerings, ({ capacityType }) => capacityType).values()].some(
        (each) => new Set(each.map(({ price }) => price)).size > 1,
      ),
    );
};

/** The request of a report: what it keeps, and the cluster as it is without that. */
export type SplitRequest = RebalanceRequest & {
  readonly keeps?: readonly Keep[];
  readonly unkept?: RebalanceRequest['snapshot'];
};

/**
 * The saving of a plan in parts: what packing reaches on machines of the same kinds, and what each change of kind adds;
 * and the plan beside one that keeps what pods notice. It plans again for each kind that changes, so a plan without any is
 * not planned twice.
 */
export const splitSavings = (
  request: SplitRequest,
  result: Answer,
  planner: (request: RebalanceRequest) => RebalanceResult,
): Split => {
  const { keeps = [], unkept } = request;
  const planOf = (each: RebalanceRequest): Answer => withoutRefused(each, planner(each));
  const planKeeping = (kept: readonly Keep[]): Answer =>
    planOf({ ...request, snapshot: keeping(request.snapshot, kept, request.catalogue) });
  const changes = new Set(kindChangesOf(request, result).map(({ what }) => what));
  // What the plan leaves alone is kept from the start: a comparison must not trade one kind for another.
  const kept = new Set(KEEPS.filter((keep) => !changes.has(keep)));
  if (!isPricedByZone(request, result)) changes.delete('zone');
  const parts: SavingPart[] = [];
  let rest = monthlyOf(result);
  let noticed: Answer | undefined;
  for (const by of KEPT_IN_TURN.filter((each) => changes.has(each))) {
    kept.add(by);
    const answer = planKeeping([...kept]);
    if (isSame(kept, NOTICEABLE)) noticed = answer;
    const without = Math.min(rest, Math.max(0, monthlyOf(answer)));
    parts.unshift({ by, monthly: rest - without });
    rest = without;
  }
  const savingsBy = [{ by: 'packing' as const, monthly: rest }, ...parts];
  if (keeps.length > 0 && unkept) {
    const free = planOf({ ...request, snapshot: unkept });
    return { savingsBy, choices: [choiceOf([], free, false), choiceOf(keeps, result, true)] };
  }
  if (!NOTICEABLE.some((each) => changes.has(each))) return { savingsBy, choices: [] };
  // The figure that `--keep` of these shows, so with these kept and no others.
  const beside = noticed ?? planKeeping(NOTICEABLE);
  return { savingsBy, choices: [choiceOf([], result, true), choiceOf(NOTICEABLE, beside, false)] };
};

const WAYS: Readonly<Record<SavingPart['by'], string>> = {
  packing: 'by packing, on machines of the same kinds',
  'capacity-type': 'by another capacity type',
  architecture: 'by another architecture',
  zone: 'by zones with other prices',
  family: 'by another family of machines',
};

/** Changes of one kind that are named; a plan may go to many families. */
const MOST_CHANGES = 4;

const inCents = (usd: number): string => `${usd.toFixed(2)} USD a month`;

/** What a saving is made of, a line a part; nothing where packing alone makes it. */
export const describeSplit = (
  o: {
    readonly savingsBy: readonly SavingPart[];
    readonly kindChanges: readonly KindChange[];
  },
  format: (usdMonthly: number) => string = inCents,
): readonly string[] =>
  o.savingsBy.length < 2
    ? []
    : o.savingsBy.map(({ by, monthly }) => {
        const moves = o.kindChanges
          .filter(({ what }) => what === by)
          .map(
            ({ pods, from, to }) => `${pods} ${pods === 1 ? 'pod moves' : 'pods move'} from ${from} to ${to}`,
          );
        if (moves.length > MOST_CHANGES) {
          const more = moves.splice(MOST_CHANGES - 1).length;
          moves.push(`${more} more changes`);
        }
        const risk = by === 'architecture' ? ['whether their images run there is not known'] : [];
        const details = [...moves, ...risk].join(', ');
        return `${format(monthly)} ${WAYS[by]}${details === '' ? '' : `: ${details}`}`;
      });

/** A label of a machine in the report: 'm5.large, spot, us-west-2a'. */
export const machineLabel = (o: {
  readonly instanceType: string;
  readonly capacityType: string | null;
  readonly architecture: string | null;
  readonly zone: string | null;
}): string => [o.instanceType, o.capacityType, o.architecture, o.zone].filter(Boolean).join(', ');

/** What is kept, in words: 'the same capacity type and architecture'. */
export const describeKeeps = (keeps: readonly Keep[]): string => {
  const words = keeps.map((keep) => keep.replace('-', ' '));
  if (words.length === 0) return 'any machine';
  return `the same ${[words.slice(0, -1).join(', '), words.at(-1)].filter(Boolean).join(' and ')}`;
};
