import t from 'tap';
import { PODS } from '../../../api/resources.ts';
import { POD_INDEXES } from '../../../kube/cache/trim.ts';
import { FakeCache } from '../../../kube/testing/fakecache.ts';
import * as make from '../../testing/builders.ts';
import { unscheduledPodsOf } from './gather.ts';

t.test('attack: a pod of another namespace that waits opens no node of the plan early', async (t) => {
  const pods = new FakeCache(PODS, POD_INDEXES);
  const owner = { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' };
  const podsToMigrate = [
    { name: 'web-old', namespace: 'shop', srcNode: 'old', dstNodeClaimName: 'new', owner },
  ];
  const plan = make.plan({ podsToMigrate });
  const waiting = [make.pod('web-new'), make.pod('fake', { namespace: 'attacker' })];
  for (const pod of waiting) pods.put(pod);
  t.same(
    unscheduledPodsOf({ pods }, plan).map(({ metadata }) => metadata.name),
    ['web-new'],
  );
});
