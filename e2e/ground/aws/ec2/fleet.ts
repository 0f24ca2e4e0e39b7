import type { CapacityType, MachineType } from '../catalogue/catalogue.ts';
import { AwsError, invalidValue } from '../protocol/errors.ts';
import { child, type Form, integer, list, text } from '../protocol/form.ts';
import { taggedAs } from '../protocol/tags.ts';
import type { Xml } from '../protocol/xml.ts';
import { hexOf } from '../random.ts';
import type { Region } from '../region.ts';
import type { Instance } from '../state/instances.ts';
import type { LaunchTemplate } from '../state/launchtemplates.ts';
import type { Subnet } from '../state/network.ts';
import type { Ec2Action } from './action.ts';

/** One pool that a fleet may take its instances from: an override of a launch template. */
interface Pool {
  readonly template: LaunchTemplate;
  readonly typeName: string;
  readonly type: MachineType | undefined;
  readonly subnet: Subnet;
  readonly imageId: string;
  /** Lower is better; overrides without a priority come last. */
  readonly priority: number;
}

interface Refusal {
  readonly pool: Pool;
  readonly code: string;
  readonly message: string;
}

const subnetOf = (override: Form, region: Region): Subnet => {
  const id = text(override, 'SubnetId');
  const zone = text(override, 'AvailabilityZone');
  const found = region.network.subnets.find((each) =>
    id === undefined ? each.zone === zone : each.id === id,
  );
  if (found === undefined)
    throw new AwsError('InvalidSubnetID.NotFound', `The subnet ID '${id ?? zone ?? ''}' does not exist`);
  return found;
};

const poolsOf = (form: Form, region: Region): readonly Pool[] =>
  list(form, 'LaunchTemplateConfigs').flatMap((config) => {
    const specification = child(config, 'LaunchTemplateSpecification');
    const template = region.launchTemplates.find({
      name: text(specification, 'LaunchTemplateName'),
      id: text(specification, 'LaunchTemplateId'),
    });
    return list(config, 'Overrides').map((override) => {
      const typeName = text(override, 'InstanceType') ?? '';
      return {
        template,
        typeName,
        type: region.types.get(typeName),
        subnet: subnetOf(override, region),
        imageId: text(override, 'ImageId') ?? template.imageId,
        priority: Number(text(override, 'Priority') ?? Number.POSITIVE_INFINITY),
      };
    });
  });

const capacityTypeOf = (form: Form): CapacityType => {
  const value = text(child(form, 'TargetCapacitySpecification'), 'DefaultTargetCapacityType') ?? 'on-demand';
  if (value !== 'spot' && value !== 'on-demand') throw invalidValue('DefaultTargetCapacityType', value);
  return value;
};

/** The factor by which an empty spot pool counts as dearer where capacity is weighed against price. */
const DEPTH_WEIGHT = 0.5;

/** What each allocation strategy ranks pools by, lowest first. */
const rankOf = (form: Form, capacityType: CapacityType, region: Region): ((pool: Pool) => number) => {
  const options = child(form, capacityType === 'spot' ? 'SpotOptions' : 'OnDemandOptions');
  const strategy = text(options, 'AllocationStrategy') ?? 'lowest-price';
  const price = ({ type, subnet }: Pool): number => {
    if (type === undefined) return Number.POSITIVE_INFINITY;
    return capacityType === 'spot'
      ? region.market.priceAt(type, subnet.zone, region.now()).price
      : type.onDemandPrice;
  };
  const emptiness = ({ type, subnet }: Pool): number =>
    type === undefined ? 1 : 1 - region.market.depth(type, subnet.zone);
  switch (strategy) {
    case 'lowest-price':
    case 'lowestPrice':
      return price;
    case 'prioritized':
      return (pool) => pool.priority;
    case 'price-capacity-optimized':
      return (pool) => price(pool) * (1 + DEPTH_WEIGHT * emptiness(pool));
    case 'capacity-optimized':
    case 'capacityOptimized':
    case 'capacity-optimized-prioritized':
      return emptiness;
    default:
      throw invalidValue('AllocationStrategy', strategy);
  }
};

const refusalOf = (pool: Pool, capacityType: CapacityType, region: Region): Refusal | undefined => {
  const { typeName, subnet, type } = pool;
  if (type === undefined || !type.zones.includes(subnet.zone))
    return {
      pool,
      code: 'Unsupported',
      message: `Your requested instance type (${typeName}) is not supported in your requested Availability Zone (${subnet.zone}).`,
    };
  if (region.faults.takeCapacityFault({ instanceType: typeName, zone: subnet.zone, capacityType }))
    return {
      pool,
      code: 'InsufficientInstanceCapacity',
      message: `We currently do not have sufficient ${typeName} capacity in the Availability Zone you requested (${subnet.zone}).`,
    };
  return undefined;
};

const describePool = (pool: Pool): Xml => ({
  launchTemplateSpecification: {
    launchTemplateId: pool.template.id,
    launchTemplateName: pool.template.name,
    version: 1,
  },
  overrides: {
    instanceType: pool.typeName,
    subnetId: pool.subnet.id,
    availabilityZone: pool.subnet.zone,
    imageId: pool.imageId,
  },
});

/** Takes instances from the best pools first, and gives the reason for every pool that had no capacity. */
const fill = (
  pools: readonly Pool[],
  target: number,
  launch: (pool: Pool, type: MachineType) => Instance,
  refuse: (pool: Pool) => Refusal | undefined,
): { readonly launched: ReadonlyMap<Pool, readonly Instance[]>; readonly refusals: readonly Refusal[] } => {
  const launched = new Map<Pool, Instance[]>();
  const refusals: Refusal[] = [];
  let missing = target;
  for (const pool of pools) {
    while (missing > 0) {
      const refusal = refuse(pool);
      if (refusal !== undefined || pool.type === undefined) {
        if (refusal !== undefined) refusals.push(refusal);
        break;
      }
      launched.set(pool, [...(launched.get(pool) ?? []), launch(pool, pool.type)]);
      missing -= 1;
    }
  }
  return { launched, refusals };
};

export const createFleet: Ec2Action = (form, region) => {
  if (text(form, 'Type') !== 'instant') throw invalidValue('Type', text(form, 'Type') ?? '');
  const capacityType = capacityTypeOf(form);
  const target = integer(child(form, 'TargetCapacitySpecification'), 'TotalTargetCapacity') ?? 0;
  const rank = rankOf(form, capacityType, region);
  const pools = poolsOf(form, region)
    .map((pool) => ({ pool, rank: rank(pool) }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ pool }) => pool);
  if (pools.length === 0)
    throw new AwsError('InvalidFleetConfiguration', 'The fleet configuration has no overrides.');
  const fleetId = `fleet-${hexOf(32, 'fleet', region.now(), region.instances.list().length)}`;
  const tags = new Map([...taggedAs(form, 'instance'), ['aws:ec2:fleet-id', fleetId] as const]);
  const { launched, refusals } = fill(
    pools,
    target,
    ({ template, subnet, imageId }, type) =>
      region.instances.launch({
        type,
        capacityType,
        subnet,
        imageId,
        securityGroupIds: template.securityGroupIds,
        tags: new Map([...template.instanceTags, ...tags]),
        userData: template.userData,
        rootVolumeGiB: template.rootVolumeGiB,
      }),
    (pool) => refusalOf(pool, capacityType, region),
  );
  return {
    fleetId,
    errorSet: refusals.map(({ pool, code, message }) => ({
      launchTemplateAndOverrides: describePool(pool),
      lifecycle: capacityType,
      errorCode: code,
      errorMessage: message,
    })),
    fleetInstanceSet: [...launched].map(([pool, instances]) => ({
      launchTemplateAndOverrides: describePool(pool),
      lifecycle: capacityType,
      instanceIds: instances.map(({ id }) => id),
      instanceType: pool.typeName,
      platform: undefined,
    })),
  };
};
