import type { MachineType } from '../catalogue/catalogue.ts';
import type { TestRegion } from './testregion.ts';

/** Launches a machine with these tags, and returns its provider id. */
export const launchTagged = (
  { region }: TestRegion,
  types: ReadonlyMap<string, MachineType>,
  tags: Readonly<Record<string, string>>,
): string => {
  const type = types.get('m5.large');
  const [subnet] = region.network.subnets;
  if (!type || !subnet) throw new Error('no m5.large');
  const { id } = region.instances.launch({
    type,
    subnet,
    capacityType: 'spot',
    imageId: 'ami-1',
    securityGroupIds: [],
    tags: new Map(Object.entries(tags)),
    userData: '',
    rootVolumeGiB: 20,
  });
  return `aws:///${subnet.zone}/${id}`;
};
