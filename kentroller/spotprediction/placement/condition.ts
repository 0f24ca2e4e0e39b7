import type { SourceCondition } from '../source.ts';
import type { PlacementDecision } from './decide.ts';

export const sentence = (text: string): string => `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}.`;
const listed = (words: readonly string[]): string => new Intl.ListFormat('en').format([...words].toSorted());

/** What the source can be heard of, in one sentence: what was answered, and which families are not asked for and why. */
export const conditionOf = (
  { asked, leftOut, waiting, tooFew }: PlacementDecision,
  o: {
    readonly most: number;
    readonly noNewBefore: number;
    /** By family, why it could not be read the last time. */
    readonly failed: ReadonlyMap<string, string>;
    /** Whether any family that is asked for has a score that counts. */
    readonly hasScores: boolean;
  },
): SourceCondition => {
  const others = [
    ...(waiting.length > 0
      ? [
          `the account may ask for no new configuration before ${new Date(o.noNewBefore).toISOString()}, which ${listed(waiting)} would be`,
        ]
      : []),
    ...(leftOut.length > 0
      ? [`no more than ${o.most} families are asked for within a day, without ${listed(leftOut)}`]
      : []),
    ...(tooFew.length > 0
      ? [`a score of ${listed(tooFew)} would say nothing, since fewer than three types are sold`]
      : []),
  ];
  const tell = (status: SourceCondition['status'], reason: string, what: string): SourceCondition => ({
    status,
    reason,
    message: sentence([what, ...others].join('; ')),
  });
  const failures = asked.flatMap((family) => {
    const why = o.failed.get(family);
    return why === undefined ? [] : [`${family}: ${why}`];
  });
  if (failures.length > 0)
    return tell('False', 'Failed', `scores could not be read of ${failures.join(', and of ')}`);
  if (asked.length === 0)
    return waiting.length > 0
      ? tell('False', 'LimitReached', 'EC2 is asked for no scores now')
      : tell('True', 'NothingToAsk', 'no spot node is of a family that scores are read of');
  if (!o.hasScores)
    return tell('False', 'NoScores', `EC2 tells no score of a zone here for ${listed(asked)}`);
  return tell('True', 'Scored', `EC2 scores the spot capacity of ${listed(asked)} by zone`);
};
