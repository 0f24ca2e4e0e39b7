import { child, integer, list, required, text, texts } from '../protocol/form.ts';
import { pageOf, pageRequest } from '../protocol/paging.ts';
import { taggedAs, tagSet } from '../protocol/tags.ts';
import type { Xml } from '../protocol/xml.ts';
import type { LaunchTemplate } from '../state/launchtemplates.ts';
import { type Ec2Action, isoTime } from './action.ts';
import { type Attributes, applyFilters, filtersOf } from './filters.ts';

/** The block device of Karpenter's AL2023 nodes where nothing else is asked for. */
const DEFAULT_ROOT_GIB = 20;

const ATTRIBUTES: Attributes<LaunchTemplate> = {
  'launch-template-name': (each) => [each.name],
};

const describe = (template: LaunchTemplate): Xml => ({
  launchTemplateId: template.id,
  launchTemplateName: template.name,
  createTime: isoTime(template.createdAt),
  createdBy: 'arn:aws:iam::000000000000:role/karpenter',
  defaultVersionNumber: 1,
  latestVersionNumber: 1,
  tagSet: tagSet(template.tags),
});

export const createLaunchTemplate: Ec2Action = (form, region) => {
  const data = child(form, 'LaunchTemplateData');
  const groups = [
    ...texts(data, 'SecurityGroupId'),
    ...list(data, 'NetworkInterface').flatMap((each) => texts(each, 'SecurityGroupId')),
  ];
  const volumes = list(data, 'BlockDeviceMapping').map((each) => integer(child(each, 'Ebs'), 'VolumeSize'));
  const created = region.launchTemplates.create({
    name: required(form, 'LaunchTemplateName'),
    tags: taggedAs(form, 'launch-template'),
    imageId: text(data, 'ImageId') ?? '',
    userData: text(data, 'UserData') ?? '',
    securityGroupIds: [...new Set(groups)],
    instanceTags: data === undefined ? new Map() : taggedAs(data, 'instance'),
    rootVolumeGiB: volumes[0] ?? DEFAULT_ROOT_GIB,
  });
  return { launchTemplate: describe(created) };
};

export const describeLaunchTemplates: Ec2Action = (form, region) => {
  const { launchTemplates } = region;
  const names = texts(form, 'LaunchTemplateName');
  const ids = texts(form, 'LaunchTemplateId');
  const asked =
    names.length + ids.length > 0
      ? [
          ...names.map((name) => launchTemplates.find({ name, id: undefined })),
          ...ids.map((id) => launchTemplates.find({ name: undefined, id })),
        ]
      : launchTemplates.list();
  const found = applyFilters(asked, filtersOf(form), ATTRIBUTES, (each) => each.tags);
  const { items, nextToken } = pageOf(found, (each) => each.id, pageRequest(form), 200);
  return { launchTemplates: items.map(describe), nextToken };
};

export const deleteLaunchTemplate: Ec2Action = (form, region) => {
  const template = region.launchTemplates.find({
    name: text(form, 'LaunchTemplateName'),
    id: text(form, 'LaunchTemplateId'),
  });
  region.launchTemplates.delete(template);
  return { launchTemplate: describe(template) };
};
