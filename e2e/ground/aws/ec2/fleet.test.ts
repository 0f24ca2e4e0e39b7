import {
  CreateFleetCommand,
  type CreateFleetCommandInput,
  CreateLaunchTemplateCommand,
  DescribeInstancesCommand,
  DescribeLaunchTemplatesCommand,
} from '@aws-sdk/client-ec2';
import t from 'tap';
import { readTypes, startTestRegion, type TestRegion } from '../testing/testregion.ts';

const types = await readTypes();

const withTemplate = async (t: Tap): Promise<TestRegion> => {
  const test = await startTestRegion(types);
  t.teardown(test.close);
  await test.ec2.send(
    new CreateLaunchTemplateCommand({
      LaunchTemplateName: 'karpenter/1',
      LaunchTemplateData: {
        ImageId: 'ami-1',
        UserData: Buffer.from('hello').toString('base64'),
        NetworkInterfaces: [{ DeviceIndex: 0, Groups: ['sg-0a1b2c3d4e5f60718'] }],
        BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 80 } }],
      },
    }),
  );
  return test;
};

type Tap = { teardown(fn: () => Promise<void>): void };

const fleet = (
  region: TestRegion['region'],
  options: {
    readonly types: readonly string[];
    readonly zones?: readonly string[];
    readonly capacityType?: 'spot' | 'on-demand';
    readonly count?: number;
    readonly strategy?: 'lowest-price' | 'prioritized';
    readonly template?: string;
  },
): CreateFleetCommandInput => {
  const zones = options.zones ?? ['us-west-2a'];
  const capacityType = options.capacityType ?? 'on-demand';
  return {
    Type: 'instant',
    LaunchTemplateConfigs: [
      {
        LaunchTemplateSpecification: {
          LaunchTemplateName: options.template ?? 'karpenter/1',
          Version: '$Latest',
        },
        Overrides: options.types.flatMap((type, index) =>
          zones.map((zone) => ({
            InstanceType: type as 'm5.large',
            SubnetId: region.network.subnets.find((each) => each.zone === zone)?.id ?? 'subnet-unknown',
            AvailabilityZone: zone,
            ImageId: 'ami-1',
            Priority: index,
          })),
        ),
      },
    ],
    TargetCapacitySpecification: {
      DefaultTargetCapacityType: capacityType,
      TotalTargetCapacity: options.count ?? 1,
    },
    ...(capacityType === 'spot'
      ? { SpotOptions: { AllocationStrategy: 'price-capacity-optimized' } }
      : { OnDemandOptions: { AllocationStrategy: options.strategy ?? 'lowest-price' } }),
    TagSpecifications: [
      { ResourceType: 'instance', Tags: [{ Key: 'karpenter.sh/nodepool', Value: 'default' }] },
      { ResourceType: 'volume', Tags: [{ Key: 'only', Value: 'volumes' }] },
    ],
  };
};

t.test('an on-demand fleet takes the cheapest of its types', async (t) => {
  const { ec2, region } = await withTemplate(t);
  const { Instances, Errors } = await ec2.send(
    new CreateFleetCommand(fleet(region, { types: ['m5.4xlarge', 'm5.large', 'm5.2xlarge'] })),
  );
  t.strictSame(Errors, []);
  t.equal(Instances?.length, 1);
  t.match(Instances?.[0], {
    InstanceType: 'm5.large',
    Lifecycle: 'on-demand',
    LaunchTemplateAndOverrides: { Overrides: { AvailabilityZone: 'us-west-2a', ImageId: 'ami-1' } },
  });
});

t.test('a prioritized fleet takes the first by priority though it is dearer', async (t) => {
  const { ec2, region } = await withTemplate(t);
  const { Instances } = await ec2.send(
    new CreateFleetCommand(fleet(region, { types: ['m5.4xlarge', 'm5.large'], strategy: 'prioritized' })),
  );
  t.equal(Instances?.[0]?.InstanceType, 'm5.4xlarge');
});

t.test('an instance carries its tags, its volume and its user data from fleet and template', async (t) => {
  const { ec2, region } = await withTemplate(t);
  await ec2.send(new CreateFleetCommand(fleet(region, { types: ['m5.large'], capacityType: 'spot' })));
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}));
  const instance = Reservations?.[0]?.Instances?.[0];
  t.equal(instance?.InstanceLifecycle, 'spot');
  t.ok(instance?.SpotInstanceRequestId);
  t.strictSame(
    instance?.SecurityGroups?.map(({ GroupId }) => GroupId),
    ['sg-0a1b2c3d4e5f60718'],
  );
  t.ok(instance?.Tags?.some(({ Key, Value }) => Key === 'karpenter.sh/nodepool' && Value === 'default'));
  t.notOk(instance?.Tags?.some(({ Key }) => Key === 'only'));
  const [launched] = region.instances.list();
  t.equal(launched?.rootVolumeGiB, 80);
  t.equal(Buffer.from(launched?.userData ?? '', 'base64').toString(), 'hello');
});

t.test('a type without capacity is named in the errors and the next one is launched', async (t) => {
  const { ec2, region } = await withTemplate(t);
  region.faults.set({ capacity: [{ instanceType: 'm5.large', zone: '*', capacityType: 'on-demand' }] });
  const { Instances, Errors } = await ec2.send(
    new CreateFleetCommand(
      fleet(region, { types: ['m5.large', 'm5.xlarge'], zones: ['us-west-2a', 'us-west-2b'] }),
    ),
  );
  t.equal(Instances?.[0]?.InstanceType, 'm5.xlarge');
  t.strictSame(
    Errors?.map(({ ErrorCode, LaunchTemplateAndOverrides: each }) => [
      ErrorCode,
      each?.Overrides?.InstanceType,
      each?.Overrides?.AvailabilityZone,
    ]),
    [
      ['InsufficientInstanceCapacity', 'm5.large', 'us-west-2a'],
      ['InsufficientInstanceCapacity', 'm5.large', 'us-west-2b'],
    ],
  );
});

t.test('with no capacity anywhere the fleet is empty and says why', async (t) => {
  const { ec2, region } = await withTemplate(t);
  region.faults.set({ capacity: [{ instanceType: 'm5.*', zone: '*', capacityType: '*' }] });
  const { Instances, Errors } = await ec2.send(
    new CreateFleetCommand(fleet(region, { types: ['m5.large', 'm5.xlarge'] })),
  );
  t.strictSame(Instances, []);
  t.equal(Errors?.length, 2);
  t.equal(region.instances.list().length, 0);
});

t.test('a capacity fault that is counted is over after so many launches', async (t) => {
  const { ec2, region } = await withTemplate(t);
  region.faults.set({ capacity: [{ instanceType: '*', zone: '*', capacityType: '*', times: 1 }] });
  const launch = () => ec2.send(new CreateFleetCommand(fleet(region, { types: ['m5.large'] })));
  t.strictSame((await launch()).Instances, []);
  t.equal((await launch()).Instances?.length, 1);
});

t.test('a fleet of several gets several instances with different names', async (t) => {
  const { ec2, region } = await withTemplate(t);
  const { Instances } = await ec2.send(
    new CreateFleetCommand(fleet(region, { types: ['m5.large'], count: 3 })),
  );
  t.equal(Instances?.flatMap(({ InstanceIds }) => InstanceIds ?? []).length, 3);
  t.equal(new Set(region.instances.list().map(({ privateDnsName }) => privateDnsName)).size, 3);
});

t.test('a fleet without its launch template fails as a whole', async (t) => {
  const { ec2, region } = await withTemplate(t);
  const gone = 'InvalidLaunchTemplateName.NotFoundException';
  await t.rejects(
    ec2.send(new CreateFleetCommand(fleet(region, { types: ['m5.large'], template: 'karpenter/2' }))),
    { name: gone },
  );
  await t.rejects(ec2.send(new DescribeLaunchTemplatesCommand({ LaunchTemplateNames: ['karpenter/2'] })), {
    name: gone,
  });
});

t.test('a throttled call is answered with RequestLimitExceeded as often as was asked for', async (t) => {
  const { ec2, region } = await withTemplate(t);
  region.faults.set({ throttle: [{ action: 'CreateFleet', times: 2 }] });
  const launch = () => ec2.send(new CreateFleetCommand(fleet(region, { types: ['m5.large'] })));
  for (let i = 0; i < 2; i++)
    await t.rejects(launch(), { name: 'RequestLimitExceeded', $metadata: { httpStatusCode: 503 } });
  t.equal((await launch()).Instances?.length, 1);
});
