import { type LackedRights, lackedActions } from '../../cloud/aws/askrights.ts';
import { hasCredentials } from '../../cloud/aws/livecatalogue.ts';
import { PLACEMENT_SCORES_CALL } from '../../cloud/aws/placementscores/unread.ts';
import { ZONAL_SHIFT_CALL } from '../../cloud/aws/zonalshift/managedresource.ts';
import { messageOf } from '../../kube/errors.ts';
import {
  type Check,
  ended,
  type Found,
  fine,
  isSeen,
  lacks,
  listed,
  note,
  skipped,
  unknown,
} from '../../kube/preflight/check.ts';

const CREDENTIALS_MS = 3_000;

/** What a cluster's nodes tell of the cloud. */
export interface CloudNodes {
  /** Undefined where no node shows one. */
  readonly region: string | undefined;
  /** Provider ids of the nodes on AWS. */
  readonly machines: readonly string[];
}

/** Rights that kentroller works without, and what it lacks then. */
const OPTIONAL: readonly (readonly [action: string, message: string])[] = [
  [
    ZONAL_SHIFT_CALL,
    `The AWS credentials here lack ${ZONAL_SHIFT_CALL}, so nodes are bought in zones that ARC shifts away: where they are kentroller’s, add it to its role, or set ZONAL_SHIFT=false.`,
  ],
  [
    PLACEMENT_SCORES_CALL,
    `The AWS credentials here lack ${PLACEMENT_SCORES_CALL}: where they are kentroller’s, add it to its role before you set SPOT_INTERRUPTION_PREDICTION_PLACEMENT_SCORE_FAMILIES, which is 0 at first and asks for none.`,
  ],
];

/** What the rights of credentials mean; without some of them, kentroller only does not know what they would tell. */
export const judgeRights = (
  region: string,
  { lacked, unasked }: LackedRights,
): readonly Omit<Check, 'name'>[] => {
  const needed = lacked.filter((action) => !OPTIONAL.some(([optional]) => optional === action));
  const reads =
    needed.length === 0
      ? fine(`The AWS credentials here may read instance types and prices of ${region}.`)
      : lacks(
          `The AWS credentials here lack ${listed(needed)}: where they are kentroller’s, add them to its role.`,
        );
  return [
    reads,
    ...(unasked === undefined ? [] : [skipped(`Zonal shifts were not asked for: ${ended(unasked)}`)]),
    ...OPTIONAL.flatMap(([action, message]) => (lacked.includes(action) ? [note(message)] : [])),
  ];
};

/** Whether the credentials at hand may read what kentroller reads; kentroller's own are those of its ServiceAccount. */
export const checkCloud = async (
  found: Found<CloudNodes>,
  o: { readonly endpoint?: string; readonly signal: AbortSignal },
): Promise<readonly Omit<Check, 'name'>[]> => {
  if (!isSeen(found)) {
    return [
      unknown(
        `EC2 was not asked, since the nodes could not be seen for a region (${found.unseen}): name it with --region, where the cluster is on AWS.`,
      ),
    ];
  }
  const { region, machines } = found.value;
  if (region === undefined) {
    return [
      skipped(
        'EC2 was not asked, since no node shows a region: name it with --region, where the cluster is on AWS.',
      ),
    ];
  }
  if (!(await hasCredentials(region, CREDENTIALS_MS))) {
    return [
      skipped(
        'EC2 was not asked, since there are no AWS credentials here: run this with those of kentroller’s role.',
      ),
    ];
  }
  try {
    return judgeRights(region, await lackedActions({ region, machines, ...o }));
  } catch (error) {
    return [unknown(`EC2 did not say what the AWS credentials here may do: ${ended(messageOf(error))}`)];
  }
};
