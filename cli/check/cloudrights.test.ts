import t from 'tap';
import { PLACEMENT_SCORES_CALL } from '../../cloud/aws/placementscores/unread.ts';
import { ZONAL_SHIFT_CALL } from '../../cloud/aws/zonalshift/managedresource.ts';
import { checkCloud, judgeRights } from './cloudrights.ts';

t.test('nodes that may not be listed are not nodes without a region', async (t) => {
  const { signal } = new AbortController();
  t.match(await checkCloud({ unseen: 'nodes is forbidden' }, { signal }), [
    { state: 'unknown', message: /nodes is forbidden.*--region/ },
  ]);
  t.match(await checkCloud({ value: { region: undefined, machines: [] } }, { signal }), [
    { state: 'skipped', message: /no node shows/ },
  ]);
});

t.test('the right to zonal shifts alone is a note that says how to go without', async (t) => {
  t.match(judgeRights('us-west-2', { lacked: [ZONAL_SHIFT_CALL] }), [
    { state: 'fine' },
    { state: 'note', message: /arc-zonal-shift:GetManagedResource.*ZONAL_SHIFT=false/ },
  ]);
  t.match(judgeRights('us-west-2', { lacked: ['ec2:DescribeInstances', ZONAL_SHIFT_CALL] }), [
    { state: 'lacks', message: /lack ec2:DescribeInstances:/ },
    { state: 'note' },
  ]);
});

t.test(
  'the right to spot placement scores alone is a note that names the setting which needs it',
  async (t) => {
    t.match(judgeRights('us-west-2', { lacked: [PLACEMENT_SCORES_CALL] }), [
      { state: 'fine' },
      { state: 'note', message: /ec2:GetSpotPlacementScores.*PLACEMENT_SCORE_FAMILIES/ },
    ]);
    const both = judgeRights('us-west-2', { lacked: [PLACEMENT_SCORES_CALL], unasked: 'no machine tells' });
    t.match(both, [{ state: 'fine' }, { state: 'skipped' }, { state: 'note' }]);
  },
);

t.test('zonal shifts that could not be asked for are not told as allowed', async (t) => {
  t.match(judgeRights('us-west-2', { lacked: [], unasked: 'no machine here tells its EKS cluster' }), [
    { state: 'fine' },
    { state: 'skipped', message: 'Zonal shifts were not asked for: no machine here tells its EKS cluster.' },
  ]);
});
