import t from 'tap';
import type { NodeClassObject } from '../api/objects.ts';
import { AUTO_NODE_CLASSES, EC2_NODE_CLASSES } from '../api/resources.ts';
import { usesReservations } from './snapshot.ts';

const reserving: NodeClassObject = {
  metadata: { name: 'a' },
  status: { capacityReservations: [{ id: 'cr-1', state: 'active' }] },
};
const cachesOf = (ec2: readonly NodeClassObject[], auto: readonly NodeClassObject[]) => ({
  ec2NodeClasses: { resource: EC2_NODE_CLASSES, list: () => ec2 },
  autoNodeClasses: { resource: AUTO_NODE_CLASSES, list: () => auto },
});

t.test('a NodeClass of either kind that lists reservations makes them be read', async (t) => {
  t.equal(usesReservations(cachesOf([], [])), false);
  t.equal(usesReservations(cachesOf([reserving], [])), true);
  t.equal(usesReservations(cachesOf([], [reserving])), true);
});
