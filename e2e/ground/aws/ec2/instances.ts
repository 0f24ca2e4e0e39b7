import { AwsError, invalidValue } from '../protocol/errors.ts';
import { type Form, list, text, texts } from '../protocol/form.ts';
import { pageOf, pageRequest } from '../protocol/paging.ts';
import { tagSet, tagsIn } from '../protocol/tags.ts';
import type { Xml } from '../protocol/xml.ts';
import type { Region } from '../region.ts';
import { type Instance, STATE_CODES, stateOf } from '../state/instances.ts';
import { type Ec2Action, isoTime } from './action.ts';
import { type Attributes, applyFilters, filtersOf } from './filters.ts';

const attributesAt = (now: number): Attributes<Instance> => ({
  'instance-id': (each) => [each.id],
  'instance-type': (each) => [each.type.name],
  'instance-state-name': (each) => [stateOf(each, now)],
  'instance-lifecycle': (each) => (each.capacityType === 'spot' ? ['spot'] : []),
  'private-dns-name': (each) => [each.privateDnsName],
  'private-ip-address': (each) => [each.privateIp],
  'availability-zone': (each) => [each.subnet.zone],
  'subnet-id': (each) => [each.subnet.id],
  'image-id': (each) => [each.imageId],
});

const STATE_MESSAGES: Readonly<Record<string, string>> = {
  'Client.UserInitiatedShutdown': 'User initiated shutdown',
  'Server.SpotInstanceTermination': 'Spot instance termination',
  'Server.InternalError': 'Internal error on launch',
};

const stateReason = (instance: Instance): Xml =>
  instance.stateReason === undefined
    ? undefined
    : { code: instance.stateReason, message: STATE_MESSAGES[instance.stateReason] };

const describe = (instance: Instance, region: Region): Xml => {
  const state = stateOf(instance, region.now());
  const isGone = state === 'terminated';
  const groups = region.network.securityGroups.filter(({ id }) => instance.securityGroupIds.includes(id));
  return {
    instanceId: instance.id,
    imageId: instance.imageId,
    instanceState: { code: STATE_CODES[state], name: state },
    // A terminated instance has returned its addresses.
    privateDnsName: isGone ? '' : instance.privateDnsName,
    dnsName: '',
    privateIpAddress: isGone ? undefined : instance.privateIp,
    instanceType: instance.type.name,
    launchTime: isoTime(instance.launchedAt),
    placement: {
      availabilityZone: instance.subnet.zone,
      availabilityZoneId: instance.subnet.zoneId,
      groupName: '',
      tenancy: 'default',
    },
    subnetId: isGone ? undefined : instance.subnet.id,
    vpcId: isGone ? undefined : region.network.vpcId,
    stateReason: isGone || state === 'shutting-down' ? stateReason(instance) : undefined,
    architecture: instance.type.architecture,
    groupSet: isGone ? [] : groups.map(({ id, name }) => ({ groupId: id, groupName: name })),
    instanceLifecycle: instance.capacityType === 'spot' ? 'spot' : undefined,
    spotInstanceRequestId: instance.capacityType === 'spot' ? `sir-${instance.id.slice(-8)}` : undefined,
    tagSet: tagSet(instance.tags),
    hypervisor: 'xen',
    virtualizationType: 'hvm',
  };
};

const selected = (form: Form, region: Region): readonly Instance[] => {
  const ids = texts(form, 'InstanceId');
  const asked = ids.length > 0 ? ids.map((id) => region.instances.get(id)) : region.instances.list();
  return applyFilters(asked, filtersOf(form), attributesAt(region.now()), (each) => each.tags);
};

export const describeInstances: Ec2Action = (form, region) => {
  const request = pageRequest(form);
  if (request.maxResults !== undefined && texts(form, 'InstanceId').length > 0)
    throw invalidValue('MaxResults', 'together with InstanceId');
  const { items, nextToken } = pageOf(selected(form, region), (each) => each.id, request, 1000);
  return {
    reservationSet: items.map((each) => ({
      reservationId: `r-${each.id.slice(2)}`,
      ownerId: region.account,
      instancesSet: [describe(each, region)],
    })),
    nextToken,
  };
};

export const describeInstanceStatus: Ec2Action = (form, region) => {
  const now = region.now();
  const request = pageRequest(form);
  const ids = texts(form, 'InstanceId');
  const asked = ids.length > 0 ? ids.map((id) => region.instances.get(id)) : region.instances.list();
  const isAll = text(form, 'IncludeAllInstances') === 'true';
  // No machine of ours is impaired, and none has an event scheduled.
  const healthy = applyFilters(
    asked.filter((each) => isAll || stateOf(each, now) === 'running'),
    filtersOf(form),
    {
      ...attributesAt(now),
      'instance-status.status': () => ['ok'],
      'system-status.status': () => ['ok'],
      'attached-ebs-status.status': () => ['ok'],
      'event.code': () => [],
      'event.instance-event-id': () => [],
      'instance-status.reachability': () => ['passed'],
      'system-status.reachability': () => ['passed'],
      'attached-ebs-status.reachability': () => ['passed'],
    },
    (each) => each.tags,
  );
  const { items, nextToken } = pageOf(healthy, (each) => each.id, request, 1000);
  const passed = { status: 'ok', details: [{ name: 'reachability', status: 'passed' }] };
  return {
    instanceStatusSet: items.map((each) => ({
      instanceId: each.id,
      availabilityZone: each.subnet.zone,
      instanceState: { code: STATE_CODES[stateOf(each, now)], name: stateOf(each, now) },
      instanceStatus: passed,
      systemStatus: passed,
    })),
    nextToken,
  };
};

export const terminateInstances: Ec2Action = (form, region) => {
  // One unknown id, and nothing is terminated, as in EC2.
  const before = texts(form, 'InstanceId').map((id) => region.instances.get(id));
  const now = region.now();
  return {
    instancesSet: before.map((each) => {
      const previous = stateOf(each, now);
      const current = stateOf(region.instances.end(each.id, now, 'Client.UserInitiatedShutdown'), now);
      return {
        instanceId: each.id,
        currentState: { code: STATE_CODES[current], name: current },
        previousState: { code: STATE_CODES[previous], name: previous },
      };
    }),
  };
};

export const createTags: Ec2Action = (form, region) => {
  const tags = tagsIn(form);
  for (const id of texts(form, 'ResourceId'))
    if (id.startsWith('i-')) for (const [key, value] of tags) region.instances.get(id).tags.set(key, value);
  return { return: true };
};

export const deleteTags: Ec2Action = (form, region) => {
  for (const id of texts(form, 'ResourceId'))
    if (id.startsWith('i-'))
      for (const tag of list(form, 'Tag')) region.instances.get(id).tags.delete(text(tag, 'Key') ?? '');
  return { return: true };
};

/**
 * Karpenter makes this call as a dry run only, to learn whether it is allowed; machines are launched through fleets.
 */
export const runInstances: Ec2Action = () => {
  throw new AwsError('UnsupportedOperation', 'The endpoint launches instances through CreateFleet alone.');
};
