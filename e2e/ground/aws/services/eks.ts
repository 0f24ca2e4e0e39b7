import { AwsError } from '../protocol/errors.ts';
import type { Region } from '../region.ts';

/** EKS: describes the one cluster. */
export const eks = (method: string, path: string, region: Region): object => {
  const { cluster, network } = region;
  const [, name] = /^\/clusters\/([^/]+)$/.exec(path) ?? [];
  if (method !== 'GET' || name === undefined)
    throw new AwsError('UnknownOperationException', `the endpoint does not know ${method} ${path}`, 404);
  if (decodeURIComponent(name) !== cluster.name)
    throw new AwsError('ResourceNotFoundException', `No cluster found for name: ${name}.`, 404);
  return {
    cluster: {
      name: cluster.name,
      arn: `arn:aws:eks:${region.name}:${region.account}:cluster/${cluster.name}`,
      endpoint: cluster.endpoint,
      version: cluster.version,
      status: 'ACTIVE',
      certificateAuthority: { data: cluster.certificateAuthority },
      kubernetesNetworkConfig: { serviceIpv4Cidr: cluster.serviceCidr, ipFamily: 'ipv4' },
      resourcesVpcConfig: {
        vpcId: network.vpcId,
        subnetIds: network.subnets.map(({ id }) => id),
        securityGroupIds: network.securityGroups.map(({ id }) => id),
      },
    },
  };
};
