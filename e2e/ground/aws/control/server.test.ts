import t from 'tap';
import { readTypes, startTestRegion } from '../testing/testregion.ts';
import { createControlClient } from './client.ts';
import { createControl } from './server.ts';

const types = await readTypes();

const start = async (t: { teardown(fn: () => Promise<void>): void }) => {
  const test = await startTestRegion(types);
  const control = createControl(test.region);
  const url = await control.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(async () => {
    await control.close();
    await test.close();
  });
  const type = types.get('g5.xlarge');
  const [subnet] = test.region.network.subnets;
  if (type === undefined || subnet === undefined) throw new Error('no g5.xlarge');
  const instance = test.region.instances.launch({
    type,
    subnet,
    capacityType: 'spot',
    imageId: 'ami-1',
    securityGroupIds: [],
    tags: new Map(),
    userData: '',
    rootVolumeGiB: 20,
  });
  return { ...test, client: createControlClient(url), instance };
};

t.test('an instance has joined when it runs and its join delay is over', async (t) => {
  const { client, clock } = await start(t);
  const look = async () => {
    const [view] = await client.instances();
    return [view?.state, view?.hasJoined];
  };
  t.strictSame(await look(), ['pending', false]);
  clock.now += 500;
  t.strictSame(await look(), ['running', false]);
  clock.now += 1_000;
  t.strictSame(await look(), ['running', true]);
  const [view] = await client.instances();
  t.match(view, { vcpus: 4, memoryMiB: 16_384, maxPods: 58, devices: { 'nvidia.com/gpu': 1 } });
});

t.test('faults are set in part and cleared as a whole', async (t) => {
  const { client } = await start(t);
  await client.setFaults({ capacity: [{ instanceType: 'm5.*' }], delays: { joinMs: 9 } });
  const set = await client.setFaults({ noJoin: [{ times: 2 }] });
  t.strictSame(set.capacity, [{ instanceType: 'm5.*', zone: '*', capacityType: '*' }]);
  t.strictSame(set.noJoin, [{ instanceType: '*', times: 2 }]);
  t.equal(set.delays.joinMs, 9);
  t.equal(set.delays.launchMs, 500);
  t.strictSame((await client.clearFaults()).capacity, []);
});

t.test('a fault that is not understood is refused with the name of the field', async (t) => {
  const { client } = await start(t);
  await t.rejects(client.setFaults({ delays: { joinMs: -1 } }), /400 .*joinMs/s);
});

t.test('an interrupted instance is announced in the queue and ends when its time is up', async (t) => {
  const { client, clock, region, instance } = await start(t);
  clock.now += 10_000;
  await client.interrupt(instance.id, 120_000);
  const [message] = region.queue.receive(10, 20_000);
  t.match(JSON.parse(message?.body ?? '{}'), {
    source: 'aws.ec2',
    'detail-type': 'EC2 Spot Instance Interruption Warning',
    detail: { 'instance-id': instance.id, 'instance-action': 'terminate' },
  });
  t.strictSame(region.queue.receive(10, 20_000), [], 'a received message is hidden');
  clock.now += 20_000;
  t.equal(region.queue.receive(10, 20_000).length, 1, 'and comes back when it was not deleted');
  t.equal((await client.instances())[0]?.state, 'running');
  clock.now += 100_000;
  t.equal((await client.instances())[0]?.state, 'shutting-down');
});

t.test('an instance is terminated behind the back of everybody', async (t) => {
  const { client, clock, region, instance } = await start(t);
  clock.now += 10_000;
  t.equal((await client.terminate(instance.id, { isAnnounced: false })).state, 'shutting-down');
  t.equal(region.queue.size, 0);
  await client.terminate(instance.id);
  t.equal(region.queue.size, 1);
  await t.rejects(client.terminate('i-0123456789abcdef0'), /404 .*does not exist/);
});
