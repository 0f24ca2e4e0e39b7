import { messageOf } from '../../../kube/errors.ts';
import { isRefusedByEc2 } from '../reader.ts';

/** The right that spot placement scores are read with. */
export const PLACEMENT_SCORES_CALL = 'ec2:GetSpotPlacementScores';

/** Types below which a score says nothing: of one or two it is always low. */
export const LEAST_TYPES = 3;

/** What keeps scores from being read: `limited` only new configurations, all else every one. */
export type UnreadKind = 'denied' | 'no-credentials' | 'unsupported' | 'limited' | 'throttled' | 'unanswered';

const KINDS: ReadonlyMap<string, UnreadKind> = new Map([
  ['MaxConfigLimitExceeded', 'limited'],
  ['RequestLimitExceeded', 'throttled'],
  ['Throttling', 'throttled'],
  ['ThrottlingException', 'throttled'],
  ['CredentialsProviderError', 'no-credentials'],
  ['InvalidAction', 'unsupported'],
  ['UnsupportedOperation', 'unsupported'],
]);

/** Why scores can't be read, by the error of the call, with the rest of a sentence that says so. */
export const unreadScores = (error: unknown): { readonly kind: UnreadKind; readonly reason: string } => {
  if (isRefusedByEc2(error))
    return { kind: 'denied', reason: `the right ${PLACEMENT_SCORES_CALL} is missing` };
  const kind = (error instanceof Error ? KINDS.get(error.name) : undefined) ?? 'unanswered';
  switch (kind) {
    case 'limited':
      return { kind, reason: 'the account may ask for no new configuration today' };
    case 'throttled':
      return { kind, reason: 'EC2 throttles the calls of this account' };
    case 'no-credentials':
      return { kind, reason: 'there are no AWS credentials' };
    case 'unsupported':
      return { kind, reason: 'EC2 of this region has none' };
    default:
      return { kind, reason: messageOf(error) };
  }
};
