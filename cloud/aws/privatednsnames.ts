import { DescribeInstancesCommand, type EC2Client } from '@aws-sdk/client-ec2';
import { kwokNodeNames } from '../kwokproviderid.ts';

const AWS_ID = /^aws:\/\/\/[^/]+\/(i-[0-9a-f]+)$/;
const PER_CALL = 100;

/** The instance of a provider id; undefined for ids of other kinds. */
export const instanceOf = (providerID: string): string | undefined => AWS_ID.exec(providerID)?.[1];

/**
 * Node names of EC2 instances, which are their private DNS names. The call filters by id in place of listing ids, since
 * one id that EC2 does not know yet would fail the whole call.
 */
export const fetchNodeNames = async (
  ec2: EC2Client,
  providerIDs: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> => {
  const names = kwokNodeNames(providerIDs);
  const byInstance = new Map<string, string>();
  for (const id of providerIDs) {
    const instance = instanceOf(id);
    if (instance) byInstance.set(instance, id);
  }
  const instances = [...byInstance.keys()];
  for (let from = 0; from < instances.length; from += PER_CALL) {
    const Values = instances.slice(from, from + PER_CALL);
    let token: string | undefined;
    do {
      const page = await ec2.send(
        new DescribeInstancesCommand({
          Filters: [{ Name: 'instance-id', Values }],
          ...(token && { NextToken: token }),
        }),
        { abortSignal: signal },
      );
      for (const { InstanceId, PrivateDnsName } of page.Reservations?.flatMap((r) => r.Instances ?? []) ??
        []) {
        const id = byInstance.get(InstanceId ?? '');
        if (id && PrivateDnsName) names.set(id, PrivateDnsName);
      }
      token = page.NextToken;
    } while (token);
  }
  return names;
};
