import { lackedActions } from '../../cloud/aws/askrights.ts';
import { hasCredentials } from '../../cloud/aws/livecatalogue.ts';
import { messageOf } from '../../kube/errors.ts';
import {
  type Check,
  ended,
  type Found,
  fine,
  isSeen,
  lacks,
  listed,
  skipped,
  unknown,
} from '../../kube/preflight/check.ts';

const CREDENTIALS_MS = 3_000;

/** Whether the credentials at hand may read what kentroller reads; kentroller's own are those of its ServiceAccount. */
export const checkCloud = async (
  found: Found<string | undefined>,
  signal: AbortSignal,
): Promise<Omit<Check, 'name'>> => {
  if (!isSeen(found)) {
    return unknown(
      `EC2 was not asked, since the nodes could not be seen for a region (${found.unseen}): name it with --region, where the cluster is on AWS.`,
    );
  }
  const region = found.value;
  if (region === undefined) {
    return skipped(
      'EC2 was not asked, since no node shows a region: name it with --region, where the cluster is on AWS.',
    );
  }
  if (!(await hasCredentials(region, CREDENTIALS_MS))) {
    return skipped(
      'EC2 was not asked, since there are no AWS credentials here: run this with those of kentroller’s role.',
    );
  }
  try {
    const lacked = await lackedActions({ region, signal });
    return lacked.length === 0
      ? fine(`The AWS credentials here may read instance types and prices of ${region}.`)
      : lacks(
          `The AWS credentials here lack ${listed(lacked)}: where they are kentroller’s, add them to its role.`,
        );
  } catch (error) {
    return unknown(`EC2 did not say what the AWS credentials here may do: ${ended(messageOf(error))}`);
  }
};
