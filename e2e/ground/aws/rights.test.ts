import t from 'tap';
import { type LackedRights, lackedActions } from '../../../cloud/aws/askrights.ts';
import { PLACEMENT_SCORES_CALL } from '../../../cloud/aws/placementscores/unread.ts';
import { MACHINES_CALL, ZONAL_SHIFT_CALL } from '../../../cloud/aws/zonalshift/managedresource.ts';
import { launchTagged } from './testing/taggedmachine.ts';
import { readTypes, startTestRegion, type TestRegion } from './testing/testregion.ts';

/** What the AWS clients are answered when they ask for the rights of credentials. */

const types = await readTypes();

/** Asks in a region of its own, with a machine of the cluster unless `machines` says otherwise. */
const ask = async (
  arrange: (test: TestRegion) => void,
  machines?: readonly string[],
): Promise<LackedRights> => {
  const test = await startTestRegion(types);
  try {
    arrange(test);
    return await lackedActions({
      region: 'us-west-2',
      machines: machines ?? [launchTagged(test, types, { 'eks:eks-cluster-name': 'ground' })],
      endpoint: test.url,
      ec2: test.ec2,
      pricing: test.pricing,
      signal: AbortSignal.timeout(60_000),
    });
  } finally {
    await test.close();
  }
};

const refuse =
  (action: string) =>
  ({ region }: TestRegion): void => {
    region.faults.set({ refuse: [{ action, reason: 'denied' }] });
  };

t.test('credentials with every right lack none', async (t) => {
  t.same(await ask(() => {}), { lacked: [] });
  const unregistered = await ask(({ region }) => {
    region.zonalShifts.isRegistered = false;
  });
  t.same(unregistered, { lacked: [] }, 'a cluster that is not registered with ARC');
});

t.test('the right to zonal shifts is told as lacking by its name', async (t) => {
  t.same(await ask(refuse('GetManagedResource')), { lacked: [ZONAL_SHIFT_CALL] });
});

t.test('without a machine that tells its cluster nothing is said of zonal shifts', async (t) => {
  t.match(await ask(() => {}, []), { lacked: [], unasked: /EKS cluster/ });
});

t.test('without the right to machines it is that one which is lacking', async (t) => {
  t.match(await ask(refuse('DescribeInstances')), { lacked: [MACHINES_CALL], unasked: /machines/ });
});

t.test(
  'the right to spot placement scores is told as lacking, and a region without them lacks none',
  async (t) => {
    t.same(await ask(refuse('GetSpotPlacementScores')), { lacked: [PLACEMENT_SCORES_CALL] });
    const unserved = await ask(({ region }) => {
      region.placementScores.isServed = false;
    });
    t.same(unserved, { lacked: [] });
  },
);
