import { GetSpotPlacementScoresCommand } from '@aws-sdk/client-ec2';
import t from 'tap';
import { sdkReader } from '../../../cloud/aws/sdkreader.ts';
import { readTypes, startTestRegion, type TestRegion } from './testing/testregion.ts';

/** Spot placement scores as AWS's own client and our reader get them from the endpoint. */

const types = await readTypes();
const { signal } = new AbortController();
const M5 = ['m5.large', 'm5.xlarge', 'm5.2xlarge'];
const GIVEN = [
  { instanceType: 'm5.*', zoneId: 'usw2-az1', score: 1 },
  { instanceType: 'm5.*', zoneId: 'usw2-az2', score: 9 },
];

/** A region of its own with our reader over it. */
const start = async (t: { teardown(fn: () => Promise<void>): void }) => {
  const test = await startTestRegion(types);
  t.teardown(() => test.close());
  const { ec2, pricing } = test;
  const read = sdkReader({ region: 'us-west-2', vmMemoryOverhead: 0.075, ec2, pricing });
  return { ...test, read: (names: readonly string[] = M5) => read.placementScores(names, signal) };
};

const ask = ({ ec2 }: TestRegion, input: object) =>
  ec2.send(new GetSpotPlacementScoresCommand({ TargetCapacity: 1, InstanceTypes: M5, ...input }));

t.test('our reader gets a score for each zone, by its id', async (t) => {
  const { region, read } = await start(t);
  region.placementScores.given = GIVEN;
  const scores = await read();
  t.match(Object.fromEntries(scores), { 'usw2-az1': 1, 'usw2-az2': 9 });
  t.equal(scores.size, 3, 'the zone that was given none has the one of its market');
});

t.test(
  'scores are of regions where nobody asks for zones, and of fewer than three types always low',
  async (t) => {
    const scene = await start(t);
    scene.region.placementScores.given = GIVEN;
    t.match((await ask(scene, {})).SpotPlacementScores, [{ Region: 'us-west-2', Score: 9 }]);
    t.match((await ask(scene, { RegionNames: ['eu-west-1'] })).SpotPlacementScores, []);
    const few = await scene.read(['m5.large', 'm5.xlarge']);
    t.ok([...few.values()].every((score) => score <= 3));
  },
);

t.test('a new configuration beyond the limit of a day is refused, one that was used is not', async (t) => {
  const { region, read, clock } = await start(t);
  region.placementScores.mostConfigurations = 1;
  await read();
  await t.rejects(read(['c5.large', 'c5.xlarge', 'c5.2xlarge']), { name: 'MaxConfigLimitExceeded' });
  await read(['m5.2xlarge', 'm5.xlarge', 'm5.large']);
  clock.now += 24 * 3_600_000;
  await read(['c5.large', 'c5.xlarge', 'c5.2xlarge']);
});

t.test('what can be wrong is refused by its name', async (t) => {
  const scene = await start(t);
  await t.rejects(ask(scene, { InstanceTypes: ['m5.none'] }), { name: 'InvalidParameterValue' });
  await t.rejects(ask(scene, { InstanceTypes: [] }), { name: 'MissingParameter' });
  await t.rejects(ask(scene, { TargetCapacity: 0 }), { name: 'InvalidParameterValue' });
  await t.rejects(ask(scene, { TargetCapacityUnitType: 'cores' }), { name: 'InvalidParameterValue' });
  await t.rejects(ask(scene, { MaxResults: 5 }), { name: 'InvalidParameterValue' });
  await t.rejects(ask(scene, { DryRun: true }), { name: 'DryRunOperation' });
  scene.region.faults.set({ throttle: [{ action: 'GetSpotPlacementScores', times: 1 }] });
  await t.rejects(scene.read(), { name: 'RequestLimitExceeded' });
  scene.region.faults.set({ refuse: [{ action: 'GetSpotPlacementScores', reason: 'denied' }] });
  await t.rejects(scene.read(), { name: 'UnauthorizedOperation' });
  scene.region.faults.set({ refuse: [] });
  scene.region.placementScores.isServed = false;
  await t.rejects(scene.read(), { name: 'InvalidAction' });
});
