import { AwsError } from '../protocol/errors.ts';
import { texts } from '../protocol/form.ts';
import { pageOf, pageRequest } from '../protocol/paging.ts';
import { tagSet } from '../protocol/tags.ts';
import { stateOf } from '../state/instances.ts';
import { type SecurityGroup, SUBNET_SIZE, type Subnet } from '../state/network.ts';
import type { Ec2Action } from './action.ts';
import { type Attributes, applyFilters, filtersOf, withoutTags } from './filters.ts';

export const describeSubnets: Ec2Action = (form, region) => {
  const { network } = region;
  const attributes: Attributes<Subnet> = {
    'subnet-id': (each) => [each.id],
    'availability-zone': (each) => [each.zone],
    'availability-zone-id': (each) => [each.zoneId],
    'vpc-id': () => [network.vpcId],
    state: () => ['available'],
  };
  const ids = texts(form, 'SubnetId');
  for (const id of ids)
    if (!network.subnets.some((each) => each.id === id))
      throw new AwsError('InvalidSubnetID.NotFound', `The subnet ID '${id}' does not exist`);
  const asked = network.subnets.filter(({ id }) => ids.length === 0 || ids.includes(id));
  const found = applyFilters(asked, filtersOf(form), attributes, (each) => each.tags);
  const used = (subnet: Subnet): number =>
    region.instances
      .list()
      .filter((each) => each.subnet.id === subnet.id && stateOf(each, region.now()) !== 'terminated').length;
  const { items, nextToken } = pageOf(found, (each) => each.id, pageRequest(form), 1000);
  return {
    subnetSet: items.map((each) => ({
      subnetId: each.id,
      subnetArn: each.arn,
      state: 'available',
      ownerId: region.account,
      vpcId: network.vpcId,
      cidrBlock: each.cidr,
      availableIpAddressCount: SUBNET_SIZE - used(each),
      availabilityZone: each.zone,
      availabilityZoneId: each.zoneId,
      defaultForAz: false,
      mapPublicIpOnLaunch: false,
      tagSet: tagSet(each.tags),
    })),
    nextToken,
  };
};

export const describeSecurityGroups: Ec2Action = (form, region) => {
  const attributes: Attributes<SecurityGroup> = {
    'group-id': (each) => [each.id],
    'group-name': (each) => [each.name],
    'vpc-id': () => [region.network.vpcId],
  };
  const ids = texts(form, 'GroupId');
  const asked = region.network.securityGroups.filter(({ id }) => ids.length === 0 || ids.includes(id));
  const found = applyFilters(asked, filtersOf(form), attributes, (each) => each.tags);
  const { items, nextToken } = pageOf(found, (each) => each.id, pageRequest(form), 1000);
  return {
    securityGroupInfo: items.map((each) => ({
      ownerId: region.account,
      groupId: each.id,
      groupName: each.name,
      groupDescription: 'nodes of the cluster',
      vpcId: region.network.vpcId,
      tagSet: tagSet(each.tags),
    })),
    nextToken,
  };
};

export const describeAvailabilityZones: Ec2Action = (form, region) => {
  const attributes: Attributes<Subnet> = {
    'zone-name': (each) => [each.zone],
    'zone-id': (each) => [each.zoneId],
    'zone-type': () => ['availability-zone'],
    'region-name': () => [region.name],
    state: () => ['available'],
  };
  const found = applyFilters(region.network.subnets, filtersOf(form), attributes, withoutTags);
  return {
    availabilityZoneInfo: found.map((each) => ({
      zoneName: each.zone,
      zoneId: each.zoneId,
      zoneState: 'available',
      zoneType: 'availability-zone',
      regionName: region.name,
      groupName: region.name,
      optInStatus: 'opt-in-not-required',
    })),
  };
};
