import t from 'tap';
import { createAwsCloud } from '../../../cloud/aws/awscloud.ts';
import { sdkReader } from '../../../cloud/aws/sdkreader.ts';
import type { ZonalShifts } from '../../../cloud/aws/zonalshift/managedresource.ts';
import { zoneShiftsOf } from '../../../cloud/aws/zonalshift/managedresource.ts';
import type { Logger } from '../../../kube/component/log.ts';
import { until } from '../../../kube/testing/until.ts';
import { launchTagged } from './testing/taggedmachine.ts';
import { readTypes, startTestRegion, type TestRegion } from './testing/testregion.ts';

/** What our reader makes of ARC zonal shift's answers for the cluster that its machines tell. */

const SOON = { timeoutMs: 120_000, everyMs: 10 };
const types = await readTypes();
const CLUSTER = 'arn:aws:eks:us-west-2:000000000000:cluster/ground';

interface Scene {
  readonly test: TestRegion;
  readonly said: string[];
  machines: readonly string[] | undefined;
  shifts(): ZonalShifts;
}

/** Cloud of ours over a region of its own, and the lines it logs about shifts. */
const start = async (
  t: { teardown(fn: () => Promise<void>): void },
  o: { readonly clusterArn?: string } = {},
): Promise<Scene> => {
  const test = await startTestRegion(types);
  const stopping = new AbortController();
  t.teardown(async () => {
    stopping.abort();
    await test.close();
  });
  const said: string[] = [];
  const say = (fields: { readonly reason?: string; readonly zoneId?: string }, text: string): void => {
    if (/zon(e|al)/.test(text)) said.push(`${text}: ${fields.reason ?? fields.zoneId ?? ''}`);
  };
  const warn = (fields: { readonly reason?: string }, text: string): void => {
    if (fields.reason?.includes('not registered')) throw new Error('a stock cluster is warned of');
    say(fields, text);
  };
  const scene: { machines: readonly string[] | undefined } = { machines: undefined };
  const cloud = createAwsCloud({
    region: 'us-west-2',
    reader: sdkReader({
      region: 'us-west-2',
      vmMemoryOverhead: 0.075,
      ec2: test.ec2,
      pricing: test.pricing,
    }),
    pricesEveryMs: 3_600_000,
    spotEveryMs: 3_600_000,
    zonalShift: { ...o, machines: () => scene.machines, everyMs: 20, endpoint: test.url },
    log: { info: say, warn } as unknown as Logger,
    signal: stopping.signal,
    now: () => test.clock.now,
  });
  return Object.assign(scene, { test, said, shifts: () => cloud.zonalShifts?.() ?? { zones: [] } });
};

const untilKnown = (scene: Scene): Promise<unknown> =>
  until('a first answer', () => scene.shifts().unread === undefined, SOON);

t.test('a zone is away while a shift is applied and not expired, by its id', async (t) => {
  const scene = await start(t);
  const { test, said } = scene;
  const { now } = test.clock;
  t.match(scene.shifts(), { zones: [], unread: 'they have not been read yet' });
  scene.machines = [launchTagged(test, types, { 'eks:eks-cluster-name': 'ground' })];
  await untilKnown(scene);
  t.same(scene.shifts(), { zones: [] });

  const expiresAt = now + 3_600_000;
  test.region.zonalShifts.shifts = [
    { zoneId: 'usw2-az1', expiresAt, isApplied: true },
    { zoneId: 'usw2-az2', expiresAt, isApplied: false },
    { zoneId: 'usw2-az3', expiresAt: now - 1, isApplied: true },
  ];
  await until('the shift', () => scene.shifts().zones.length > 0, SOON);
  t.same(scene.shifts().zones, [{ zoneId: 'usw2-az1', until: expiresAt }]);
  // The end counts at the moment that it comes, whoever answers.
  test.clock.now = expiresAt;
  t.same(scene.shifts().zones, []);
  test.region.zonalShifts.shifts = [];
  test.region.zonalShifts.autoshifts = [
    { zoneId: 'usw2-az2', isApplied: true },
    { zoneId: 'usw2-az3', isApplied: false },
  ];
  await until('the autoshift', () => scene.shifts().zones.length > 0, SOON);
  t.same(scene.shifts().zones, [{ zoneId: 'usw2-az2' }], 'AWS ends it, at no known time');
  test.region.zonalShifts.autoshifts = [];
  await until('none', () => scene.shifts().zones.length === 0, SOON);
  t.same(said.filter((line) => line.includes('away')).sort(), [
    'zone is not shifted away any more: usw2-az1',
    'zone is not shifted away any more: usw2-az2',
    'zone is shifted away, nothing is bought in it: usw2-az1',
    'zone is shifted away, nothing is bought in it: usw2-az2',
  ]);
});

t.test(
  'a shift that is known counts to its end though it can not be read again, which is said once',
  async (t) => {
    const scene = await start(t, { clusterArn: CLUSTER });
    const { test, said } = scene;
    const expiresAt = test.clock.now + 3_600_000;
    test.region.zonalShifts.shifts = [{ zoneId: 'usw2-az1', expiresAt, isApplied: true }];
    await until('the shift', () => scene.shifts().zones.length > 0, SOON);

    const left = (): number => test.region.faults.read().throttle[0]?.times ?? 0;
    test.region.faults.set({ throttle: [{ action: 'GetManagedResource', times: 100_000 }] });
    await until('some calls', () => left() < 99_995, SOON);
    t.match(scene.shifts(), {
      zones: [{ zoneId: 'usw2-az1' }],
      unread: 'GetManagedResource: ThrottlingException, Rate exceeded',
    });
    t.equal(said.filter((line) => line.includes('Throttling')).length, 1);
    test.clock.now = expiresAt + 1;
    t.same(scene.shifts().zones, []);
    test.region.faults.set({ throttle: [] });
    await untilKnown(scene);
    t.ok(said.some((line) => line.startsWith('zonal shifts are read')));
  },
);

/** Sentence, what makes it so, why shifts are unread. */
const UNREAD: readonly (readonly [string, (scene: Scene) => void, RegExp])[] = [
  [
    'a missing right',
    ({ test }) => test.region.faults.set({ refuse: [{ action: 'GetManagedResource', reason: 'denied' }] }),
    /^the right arc-zonal-shift:GetManagedResource is missing$/,
  ],
  [
    'expired credentials',
    ({ test }) => test.region.faults.set({ refuse: [{ action: 'GetManagedResource', reason: 'expired' }] }),
    /^GetManagedResource: ExpiredTokenException, /,
  ],
  [
    'a cluster that is not registered',
    ({ test }) => Object.assign(test.region.zonalShifts, { isRegistered: false }),
    /^the cluster is not registered with ARC zonal shift$/,
  ],
];

for (const [sentence, breakIt, reason] of UNREAD) {
  t.test(`${sentence} is said, is not taken for a zone without shifts, and may be mended live`, async (t) => {
    const scene = await start(t, { clusterArn: CLUSTER });
    const { test } = scene;
    breakIt(scene);
    await until('the reason', () => reason.test(scene.shifts().unread ?? ''), SOON);
    t.same(scene.shifts().zones, []);
    test.region.faults.set({ refuse: [] });
    test.region.zonalShifts.isRegistered = true;
    await untilKnown(scene);
  });
}

t.test(
  'a cluster is found by the tags of Karpenter, of node groups and of others, or not at all',
  async (t) => {
    const { test } = await start(t);
    const reader = sdkReader({
      region: 'us-west-2',
      vmMemoryOverhead: 0,
      ec2: test.ec2,
      pricing: test.pricing,
    });
    const { signal } = new AbortController();
    const arnOf = (...machines: readonly string[]) => reader.clusterArn(machines, signal);
    t.equal(await arnOf(launchTagged(test, types, { 'eks:cluster-name': 'ground' })), CLUSTER);
    t.equal(await arnOf(launchTagged(test, types, { 'kubernetes.io/cluster/ground': 'owned' })), CLUSTER);
    const other = launchTagged(test, types, { 'eks:eks-cluster-name': 'other' });
    const ours = [0, 1].map(() => launchTagged(test, types, { 'eks:eks-cluster-name': 'ground' }));
    t.equal(await arnOf(other, ...ours), CLUSTER, 'what most of them say');
    t.equal(await arnOf(launchTagged(test, types, { team: 'a' }), 'kwok://node'), undefined);
    t.equal(await arnOf(), undefined);
  },
);

t.test('machines that tell no cluster are said once, and looked at again', async (t) => {
  const scene = await start(t);
  scene.machines = [launchTagged(scene.test, types, {})];
  await until('the reason', () => /EKS_CLUSTER_ARN/.test(scene.shifts().unread ?? ''), SOON);
  scene.machines = [launchTagged(scene.test, types, { 'eks:cluster-name': 'ground' })];
  await untilKnown(scene);
  t.equal(scene.said.filter((line) => line.includes('EKS_CLUSTER_ARN')).length, 1);
});

t.test('of two shifts of a zone the later end counts, and an autoshift outlasts both', async (t) => {
  const shift = (expiryTime: number) => ({ awayFrom: 'a', appliedStatus: 'APPLIED', expiryTime });
  t.same(zoneShiftsOf({ zonalShifts: [shift(9), shift(5)], autoshifts: [] }, 1_000), [
    { zoneId: 'a', until: 9_000 },
  ]);
  const autoshifts = [{ awayFrom: 'a', appliedStatus: 'APPLIED' }];
  t.same(zoneShiftsOf({ zonalShifts: [shift(9)], autoshifts }, 1_000), [{ zoneId: 'a' }]);
});
