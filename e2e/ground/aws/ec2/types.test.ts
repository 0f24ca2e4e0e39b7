import {
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  type DescribeInstanceTypesCommandInput,
  paginateDescribeInstanceTypeOfferings,
  paginateDescribeInstanceTypes,
} from '@aws-sdk/client-ec2';
import t from 'tap';
import { readTypes, startTestRegion, ZONES } from '../testing/testregion.ts';

const types = await readTypes();
const { ec2, close } = await startTestRegion(types);
t.teardown(close);

t.test('an instance type has the sizes that AWS gives it', async (t) => {
  const { InstanceTypes } = await ec2.send(
    new DescribeInstanceTypesCommand({
      InstanceTypes: ['m5.xlarge', 'g5.12xlarge', 'c7g.large', 'm5.metal'],
    }),
  );
  const found = new Map(InstanceTypes?.map((each) => [String(each.InstanceType), each]));
  const m5 = found.get('m5.xlarge');
  t.equal(m5?.VCpuInfo?.DefaultVCpus, 4);
  t.equal(m5?.MemoryInfo?.SizeInMiB, 16_384);
  t.equal(m5?.NetworkInfo?.MaximumNetworkInterfaces, 4);
  t.equal(m5?.NetworkInfo?.Ipv4AddressesPerInterface, 15);
  t.equal(m5?.Hypervisor, 'nitro');
  t.equal(m5?.CurrentGeneration, true);
  t.strictSame(m5?.SupportedUsageClasses, ['on-demand', 'spot']);
  t.strictSame(m5?.ProcessorInfo?.SupportedArchitectures, ['x86_64']);
  t.equal(m5?.InstanceStorageSupported, false);
  const gpu = found.get('g5.12xlarge')?.GpuInfo?.Gpus?.[0];
  t.match(gpu, { Manufacturer: 'NVIDIA', Name: 'A10G', Count: 4 });
  t.strictSame(found.get('c7g.large')?.ProcessorInfo?.SupportedArchitectures, ['arm64']);
  t.equal(found.get('m5.metal')?.BareMetal, true);
});

t.test('all types come page by page, each once', async (t) => {
  const names: string[] = [];
  let pages = 0;
  for await (const page of paginateDescribeInstanceTypes({ client: ec2, pageSize: 100 }, {})) {
    pages += 1;
    names.push(...(page.InstanceTypes ?? []).map(({ InstanceType }) => String(InstanceType)));
  }
  t.equal(new Set(names).size, types.size);
  t.equal(names.length, types.size);
  t.equal(pages, Math.ceil(types.size / 100));
});

t.test('every type is offered in its zones', async (t) => {
  const zonesOf = new Map<string, string[]>();
  const input = { LocationType: 'availability-zone' } as const;
  for await (const page of paginateDescribeInstanceTypeOfferings({ client: ec2, pageSize: 1000 }, input))
    for (const { InstanceType, Location } of page.InstanceTypeOfferings ?? [])
      zonesOf.set(String(InstanceType), [...(zonesOf.get(String(InstanceType)) ?? []), String(Location)]);
  t.strictSame(zonesOf.get('m5.xlarge'), ZONES);
  t.equal(zonesOf.size, types.size);
});

t.test('filters with wildcards narrow the offerings', async (t) => {
  const { InstanceTypeOfferings } = await ec2.send(
    new DescribeInstanceTypeOfferingsCommand({
      LocationType: 'availability-zone',
      Filters: [
        { Name: 'instance-type', Values: ['m5.*large'] },
        { Name: 'location', Values: ['us-west-2b'] },
      ],
    }),
  );
  const names = InstanceTypeOfferings?.map(({ InstanceType }) => String(InstanceType)) ?? [];
  t.ok(names.includes('m5.large') && names.includes('m5.24xlarge'));
  t.notOk(names.includes('m5.metal') || names.some((name) => !name.startsWith('m5.')));
});

const REFUSED: readonly {
  readonly name: string;
  readonly code: string;
  readonly status: number;
  readonly input: DescribeInstanceTypesCommandInput;
}[] = [
  {
    name: 'an unknown type is an InvalidInstanceType',
    code: 'InvalidInstanceType',
    status: 400,
    input: { InstanceTypes: ['m5.tiny' as 'm5.large'] },
  },
  {
    name: 'names and a page size do not go together',
    code: 'InvalidParameterCombination',
    status: 400,
    input: { InstanceTypes: ['m5.large'], MaxResults: 5 },
  },
  {
    name: 'a page of more than 100 is refused',
    code: 'InvalidParameterValue',
    status: 400,
    input: { MaxResults: 101 },
  },
  {
    name: 'a token that was never given out is refused',
    code: 'InvalidPaginationToken',
    status: 400,
    input: { MaxResults: 5, NextToken: 'nonsense' },
  },
  {
    name: 'a filter that does not exist is refused',
    code: 'InvalidParameterValue',
    status: 400,
    input: { Filters: [{ Name: 'colour', Values: ['red'] }] },
  },
  {
    name: 'a dry run says that it would have succeeded',
    code: 'DryRunOperation',
    status: 412,
    input: { DryRun: true },
  },
];

for (const { name, code, status, input } of REFUSED)
  t.test(name, async (t) => {
    await t.rejects(ec2.send(new DescribeInstanceTypesCommand(input)), {
      name: code,
      $metadata: { httpStatusCode: status },
    });
  });
