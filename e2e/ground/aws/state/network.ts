/** A subnet of the cluster's VPC: one per zone. */
export interface Subnet {
  readonly id: string;
  readonly arn: string;
  readonly zone: string;
  readonly zoneId: string;
  readonly cidr: string;
  /** The first two numbers of its addresses. */
  readonly prefix: string;
  readonly tags: ReadonlyMap<string, string>;
}

export interface SecurityGroup {
  readonly id: string;
  readonly name: string;
  readonly tags: ReadonlyMap<string, string>;
}

export interface Network {
  readonly vpcId: string;
  readonly subnets: readonly Subnet[];
  readonly securityGroups: readonly SecurityGroup[];
}

/** Second number of the first zone's addresses, outside the ranges that grounds give to pods and links. */
const FIRST_BLOCK = 64;

/** Addresses that a subnet of this size has, less the five that AWS keeps. */
export const SUBNET_SIZE = 65_531;

/** The VPC of a cluster, tagged as Karpenter's guide tells its users to tag theirs. */
export const createNetwork = (options: {
  readonly region: string;
  readonly zones: readonly string[];
  readonly clusterName: string;
}): Network => {
  const { region, zones, clusterName } = options;
  const tags = new Map([['karpenter.sh/discovery', clusterName]]);
  return {
    vpcId: 'vpc-0a1b2c3d4e5f60718',
    subnets: zones.map((zone, index) => {
      const id = `subnet-0a1b2c3d4e5f607${String(index).padStart(2, '0')}`;
      const prefix = `10.${FIRST_BLOCK + index}`;
      return {
        id,
        arn: `arn:aws:ec2:${region}:000000000000:subnet/${id}`,
        zone,
        zoneId: `usw2-az${index + 1}`,
        cidr: `${prefix}.0.0/16`,
        prefix,
        tags,
      };
    }),
    securityGroups: [{ id: 'sg-0a1b2c3d4e5f60718', name: `${clusterName}-node`, tags }],
  };
};
