import { Registry } from 'prom-client';
import t from 'tap';
import { CAPACITY_RESERVATION_ID, KARPENTER_CAPACITY_TYPE } from '../api/labels.ts';
import type { NodeClaim } from '../api/objects.ts';
import { requirementsOfEach } from '../api/plans.ts';
import { EC2_NODE_CLASSES, NODE_CLAIMS, NODE_POOLS } from '../api/resources.ts';
import { scratch, soon } from '../kube/testing/scratch.ts';
import type { Catalogue } from '../planner/model/catalogue.ts';
import { makePod, makePool } from '../planner/testing/builders.ts';
import { machines, provisionFor } from '../planner/testing/smallworld.ts';
import { createCaches, startCaches } from './caches.ts';
import { gatherSnapshot, usesReservations } from './snapshot.ts';
import { ec2NodeClass } from './testing/builders.ts';

/** Capacity reservations of an EC2NodeClass on a real API server, on and off. */

const { client, log } = scratch(t, 'reservations');
const name = `reservations-${process.pid}`;
const stop = new AbortController();
const ID = `cr-${process.pid}`;

t.teardown(async () => {
  stop.abort();
  for (const claim of [`${name}-1`, `${name}-2`])
    await client.delete(NODE_CLAIMS, { name: claim }).catch(() => {});
  await client.delete(NODE_POOLS, { name }).catch(() => {});
  await client.delete(EC2_NODE_CLASSES, { name }).catch(() => {});
});

const nodeClass = ec2NodeClass(name, { capacityReservationSelectorTerms: [{ id: ID }] });
const status = (state: string) => ({
  capacityReservations: [
    {
      id: ID,
      availabilityZone: 'us-west-2a',
      instanceMatchCriteria: 'targeted',
      instanceType: 'm5.xlarge',
      ownerID: '111122223333',
      reservationType: 'default',
      interruptible: false,
      state,
    },
  ],
});

const catalogue: Catalogue = {
  instanceTypes: machines.instanceTypes.map((type) =>
    type.name !== 'm5.xlarge'
      ? type
      : {
          ...type,
          offerings: [
            ...type.offerings,
            {
              zone: 'us-west-2a',
              capacityType: 'reserved',
              price: 1e-8,
              available: true,
              reservation: { id: ID, type: 'default', interruptible: false, left: 1 },
            },
          ],
        },
  ),
};
const nodeClassRef = { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name };
const pool = makePool(name, {
  nodeClassRef,
  requirements: [{ key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['on-demand', 'reserved'] }],
});

t.test('reservations that a NodeClass lists are planned with, until it lists them no more', async (t) => {
  await client.create(EC2_NODE_CLASSES, nodeClass);
  const caches = createCaches({ client, log, metrics: new Registry() });
  await startCaches(caches, [], stop.signal);
  const ours = () => ({
    resource: caches.ec2NodeClasses.resource,
    list: () => caches.ec2NodeClasses.list().filter(({ metadata }) => metadata.name === name),
  });
  const isUsed = (): boolean => usesReservations({ ...caches, ec2NodeClasses: ours() });
  const claimsNow = () => {
    const snapshot = {
      ...gatherSnapshot(caches),
      nodes: [],
      nodeClaims: [],
      pods: [makePod('p', { cpu: 3_500 }), makePod('q', { cpu: 3_500 })],
      nodePools: [pool],
    };
    return provisionFor(snapshot, catalogue).plan?.spec.nodeClaimsToAdd ?? [];
  };
  const reservedNow = (): number =>
    claimsNow().filter(({ spec }) => spec.requirements.some(({ key }) => key === CAPACITY_RESERVATION_ID))
      .length;
  t.equal(isUsed(), false);
  t.equal(reservedNow(), 0);

  await client.patch(EC2_NODE_CLASSES, { name }, { status: status('active') }, { subresource: 'status' });
  await soon('the cache shows the reservation', isUsed);
  t.equal(reservedNow(), 1, 'one machine is left of it, and two are needed');

  // The API server takes the claims of every attempt.
  const planned = claimsNow().find(({ spec }) =>
    spec.requirements.some(({ key }) => key === CAPACITY_RESERVATION_ID),
  );
  const attempts = planned ? requirementsOfEach(planned).slice(0, 2) : [];
  t.equal(attempts.length, 2);
  for (const [index, requirements] of attempts.entries()) {
    const claim = {
      apiVersion: 'karpenter.sh/v1',
      kind: 'NodeClaim',
      metadata: { name: `${name}-${index + 1}`, labels: { 'karpenter.sh/nodepool': name } },
      spec: { nodeClassRef, requirements },
    } as NodeClaim;
    const made = await client.create(NODE_CLAIMS, claim);
    const named = made.spec.requirements.find(({ key }) => key === CAPACITY_RESERVATION_ID);
    t.match(named, index === 0 ? { operator: 'In', values: [ID] } : { operator: 'DoesNotExist' });
  }

  await client.patch(EC2_NODE_CLASSES, { name }, { status: status('expiring') }, { subresource: 'status' });
  await soon('a reservation that comes to its end is left alone', () => reservedNow() === 0);
  await client.patch(
    EC2_NODE_CLASSES,
    { name },
    { status: { capacityReservations: null } },
    { subresource: 'status' },
  );
  await soon('nobody uses reservations', () => !isUsed());
});
