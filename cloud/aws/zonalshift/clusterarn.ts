import { DescribeInstancesCommand, type EC2Client, type Tag } from '@aws-sdk/client-ec2';
import { instanceOf } from '../privatednsnames.ts';

/** Machines that are looked at: one tells the cluster, and some may be of no EKS cluster or gone. */
const MOST_MACHINES = 20;

/** Tags that name the cluster: Karpenter's, and those of EKS on its node groups. */
const NAME_TAGS = ['eks:eks-cluster-name', 'eks:cluster-name', 'aws:eks:cluster-name'];
const OWNED = 'kubernetes.io/cluster/';

const clusterNameOf = (tags: readonly Tag[]): string | undefined => {
  const named = NAME_TAGS.flatMap((key) => tags.find(({ Key }) => Key === key)?.Value || []);
  const owned = tags.flatMap(({ Key = '' }) => (Key.startsWith(OWNED) ? Key.slice(OWNED.length) : []));
  return [...named, ...owned].find((name) => name !== '');
};

const partitionOf = (region: string): string => {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
};

/** The ARN of the EKS cluster that most of these machines belong to by their tags; undefined where none tells. */
export const fetchClusterArn = async (
  ec2: EC2Client,
  o: { readonly region: string; readonly providerIDs: readonly string[]; readonly signal: AbortSignal },
): Promise<string | undefined> => {
  const instances = o.providerIDs.flatMap((id) => instanceOf(id) ?? []).slice(0, MOST_MACHINES);
  if (instances.length === 0) return undefined;
  const { Reservations = [] } = await ec2.send(
    new DescribeInstancesCommand({ Filters: [{ Name: 'instance-id', Values: instances }] }),
    { abortSignal: o.signal },
  );
  const counts = new Map<string, number>();
  for (const { OwnerId: account, Instances = [] } of Reservations) {
    for (const { Tags = [] } of Instances) {
      const name = clusterNameOf(Tags);
      if (name === undefined || !account) continue;
      const arn = `arn:${partitionOf(o.region)}:eks:${o.region}:${account}:cluster/${name}`;
      counts.set(arn, (counts.get(arn) ?? 0) + 1);
    }
  }
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
};
