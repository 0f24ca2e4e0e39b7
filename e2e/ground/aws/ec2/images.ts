import { AwsError } from '../protocol/errors.ts';
import { texts } from '../protocol/form.ts';
import { pageOf, pageRequest } from '../protocol/paging.ts';
import { type Image, imagesFor } from '../state/images.ts';
import type { Ec2Action } from './action.ts';
import { type Attributes, applyFilters, filtersOf, withoutTags } from './filters.ts';

const ATTRIBUTES: Attributes<Image> = {
  'image-id': (each) => [each.id],
  name: (each) => [each.name],
  architecture: (each) => [each.architecture],
  state: () => ['available'],
};

export const describeImages: Ec2Action = (form, region) => {
  const images = imagesFor(region.cluster.version);
  const ids = texts(form, 'ImageId');
  for (const id of ids)
    if (!images.some((each) => each.id === id))
      throw new AwsError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`);
  const asked = images.filter(({ id }) => ids.length === 0 || ids.includes(id));
  const found = applyFilters(asked, filtersOf(form), ATTRIBUTES, withoutTags);
  const { items, nextToken } = pageOf(found, (each) => each.id, pageRequest(form), 1000);
  return {
    imagesSet: items.map((each) => ({
      imageId: each.id,
      name: each.name,
      architecture: each.architecture,
      creationDate: '2026-11-01T00:00:00.000Z',
      imageState: 'available',
      imageType: 'machine',
      isPublic: true,
      imageOwnerAlias: 'amazon',
      rootDeviceType: 'ebs',
      rootDeviceName: '/dev/xvda',
      virtualizationType: 'hvm',
    })),
    nextToken,
  };
};
