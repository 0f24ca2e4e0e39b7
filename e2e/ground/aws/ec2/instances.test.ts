import {
  type Instance as Described,
  DescribeInstancesCommand,
  paginateDescribeInstances,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2';
import t from 'tap';
import type { Instance } from '../state/instances.ts';
import { readTypes, startTestRegion, type TestRegion } from '../testing/testregion.ts';

const types = await readTypes();

const launch = ({ region }: TestRegion, typeName = 'm5.large', zone = 0): Instance => {
  const type = types.get(typeName);
  const subnet = region.network.subnets[zone];
  if (type === undefined || subnet === undefined) throw new Error(`no ${typeName} in zone ${zone}`);
  return region.instances.launch({
    type,
    subnet,
    capacityType: 'spot',
    imageId: 'ami-1',
    securityGroupIds: [],
    tags: new Map([['team', 'a']]),
    userData: '',
    rootVolumeGiB: 20,
  });
};

const start = async (
  t: { teardown(fn: () => Promise<void>): void },
  options: { readonly shouldReuseAddresses?: boolean } = {},
): Promise<TestRegion> => {
  const test = await startTestRegion(types, options);
  t.teardown(test.close);
  return test;
};

const describe = async ({ ec2 }: TestRegion, id: string): Promise<Described | undefined> => {
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  return Reservations?.[0]?.Instances?.[0];
};

t.test('an instance is pending, running, shutting down and terminated when its time comes', async (t) => {
  const test = await start(t);
  test.region.faults.set({ delays: { launchMs: 30_000, shutdownMs: 20_000 } });
  const { id } = launch(test);
  const states: (string | undefined)[] = [];
  const look = async () => states.push((await describe(test, id))?.State?.Name);
  await look();
  test.clock.now += 29_999;
  await look();
  test.clock.now += 1;
  await look();
  const { TerminatingInstances } = await test.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  t.match(TerminatingInstances?.[0], {
    PreviousState: { Name: 'running', Code: 16 },
    CurrentState: { Name: 'shutting-down', Code: 32 },
  });
  await look();
  test.clock.now += 20_000;
  await look();
  t.strictSame(states, ['pending', 'pending', 'running', 'shutting-down', 'terminated']);
  test.clock.now += 2 * 3_600_000;
  t.strictSame(await listIds(test), []);
  await t.rejects(describe(test, id), { name: 'InvalidInstanceID.NotFound' });
});

const listIds = async (
  { ec2 }: TestRegion,
  filters: Readonly<Record<string, string>> = {},
): Promise<string[]> => {
  const { Reservations } = await ec2.send(
    new DescribeInstancesCommand({
      Filters: Object.entries(filters).map(([Name, Value]) => ({ Name, Values: [Value] })),
    }),
  );
  return (Reservations ?? []).flatMap(({ Instances }) =>
    (Instances ?? []).map((each) => String(each.InstanceId)),
  );
};

t.test('filters find an instance by name, tag, state, type and zone', async (t) => {
  const test = await start(t);
  const one = launch(test, 'm5.large', 0);
  const other = launch(test, 'c5.large', 1);
  test.clock.now += 60_000;
  test.region.instances.end(other.id, test.clock.now, 'Client.UserInitiatedShutdown');
  const cases: readonly (readonly [Record<string, string>, readonly string[]])[] = [
    [{ 'private-dns-name': one.privateDnsName }, [one.id]],
    [{ 'instance-state-name': 'running' }, [one.id]],
    [{ 'instance-state-name': 'shutting-down' }, [other.id]],
    [{ 'tag:team': 'a', 'instance-type': 'c5.*' }, [other.id]],
    [{ 'tag:team': 'b' }, []],
    [{ 'tag-key': 'team', 'availability-zone': 'us-west-2a' }, [one.id]],
  ];
  for (const [filters, expected] of cases) t.strictSame(await listIds(test, filters), expected);
});

t.test('pages hold every instance once though some come in between', async (t) => {
  const test = await start(t);
  const before = Array.from({ length: 12 }, () => launch(test).id);
  const seen: string[] = [];
  for await (const page of paginateDescribeInstances({ client: test.ec2, pageSize: 5 }, {})) {
    for (const { Instances } of page.Reservations ?? [])
      seen.push(...(Instances ?? []).map((i) => String(i.InstanceId)));
    launch(test);
  }
  t.equal(new Set(seen).size, seen.length);
  t.strictSame(
    before.filter((id) => !seen.includes(id)),
    [],
  );
});

t.test('an unknown and a malformed id have errors of their own, and nothing is terminated', async (t) => {
  const test = await start(t);
  const { id } = launch(test);
  const terminate = (other: string) =>
    test.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id, other] }));
  await t.rejects(terminate('i-0123456789abcdef0'), { name: 'InvalidInstanceID.NotFound' });
  await t.rejects(terminate('mine'), { name: 'InvalidInstanceID.Malformed' });
  t.equal((await describe(test, id))?.State?.Name, 'pending');
});

t.test('names are given out again only where that is asked for', async (t) => {
  for (const shouldReuseAddresses of [false, true]) {
    const test = await start(t, { shouldReuseAddresses });
    const first = launch(test);
    test.region.instances.end(first.id, test.clock.now, 'Client.UserInitiatedShutdown');
    const whileShuttingDown = launch(test);
    t.not(whileShuttingDown.privateDnsName, first.privateDnsName);
    test.clock.now += 60_000;
    t.equal(launch(test).privateDnsName === first.privateDnsName, shouldReuseAddresses);
  }
});

t.test('a machine that is not to join never has a time to join', async (t) => {
  const test = await start(t);
  test.region.faults.set({
    noJoin: [{ instanceType: 'm5.*', times: 1 }],
    delays: { launchMs: 0, joinMs: 7_000 },
  });
  t.equal(launch(test, 'c5.large').joinsAt, test.clock.now + 7_000);
  t.equal(launch(test, 'm5.large').joinsAt, undefined);
  t.equal(launch(test, 'm5.large').joinsAt, test.clock.now + 7_000);
});
