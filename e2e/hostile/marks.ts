import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';

/** What the hostile user put on nodes, and must find there again. */

type Kind = 'cordon' | 'do-not-disrupt' | 'taint' | 'annotation';

export const USER_TAINT = { key: 'test.example/hostile', value: 'true', effect: 'NoSchedule' } as const;
export const USER_ANNOTATION = 'test.example/hostile';

const PRESENT: Readonly<Record<Kind, (node: Node) => boolean>> = {
  cordon: ({ spec }) => spec?.unschedulable === true,
  'do-not-disrupt': ({ metadata }) => metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined,
  taint: ({ spec }) => spec?.taints?.some(({ key }) => key === USER_TAINT.key) ?? false,
  annotation: ({ metadata }) => metadata.annotations?.[USER_ANNOTATION] !== undefined,
};

const KINDS = Object.keys(PRESENT) as readonly Kind[];

export interface UserMarks {
  put(node: Node, kind: Kind): void;
  take(node: Node, kind: Kind): void;
  takeAll(node: Node): void;
  has(node: Node, kind: Kind): boolean;
  /** What is wrong with the marks on a node, one line each: a user's that is lost, or one that no user put there. */
  check(node: Node): readonly string[];
}

export const createUserMarks = (): UserMarks => {
  const marks = new Set<string>();
  const keyOf = ({ metadata }: Node, kind: Kind): string => `${metadata.uid} ${kind}`;
  const has = (node: Node, kind: Kind): boolean => marks.has(keyOf(node, kind));
  return {
    put: (node, kind) => void marks.add(keyOf(node, kind)),
    take: (node, kind) => void marks.delete(keyOf(node, kind)),
    takeAll: (node) => {
      for (const kind of KINDS) marks.delete(keyOf(node, kind));
    },
    has,
    check: (node) =>
      KINDS.flatMap((kind) => {
        const isThere = PRESENT[kind](node);
        if (isThere === has(node, kind)) return [];
        const { name } = node.metadata;
        return isThere ? [`node ${name} keeps our ${kind}`] : [`node ${name} lost a user's ${kind}`];
      }),
  };
};
