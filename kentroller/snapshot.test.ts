import { Registry } from 'prom-client';
import t from 'tap';
import { EC2_NODE_CLASSES, LIMIT_RANGES, NODE_POOLS } from '../api/resources.ts';
import { scratch, soon } from '../kube/testing/scratch.ts';
import { supplyOf } from '../planner/model/supply.ts';
import { makePool } from '../planner/testing/builders.ts';
import { priceList } from '../planner/testing/cases.ts';
import { areSynced, createCaches, startCaches } from './caches.ts';
import { gatherSnapshot } from './snapshot.ts';
import { ec2NodeClass } from './testing/builders.ts';

const { client, namespace, log } = scratch(t, 'snapshot');
const name = `snapshot-${process.pid}`;
const stop = new AbortController();

t.teardown(async () => {
  stop.abort();
  await client.delete(NODE_POOLS, { name }).catch(() => {});
  await client.delete(EC2_NODE_CLASSES, { name }).catch(() => {});
});

const nodeClass = ec2NodeClass(name, {
  kubelet: { maxPods: 17 },
  blockDeviceMappings: [{ deviceName: '/dev/xvda', ebs: { volumeSize: '200Gi' } }],
});

t.test('kentroller reads NodeClasses and LimitRanges, and what they say counts', async (t) => {
  await client.create(EC2_NODE_CLASSES, nodeClass);
  await client.create(LIMIT_RANGES, {
    metadata: { name, namespace },
    spec: { limits: [{ type: 'Container', default: { cpu: '250m' } }] },
  });
  const caches = createCaches({ client, log, metrics: new Registry() });
  await startCaches(caches, [], stop.signal);
  t.equal(areSynced(caches), true, 'though nobody serves the NodeClasses of EKS Auto Mode');
  const snapshot = gatherSnapshot(caches);
  t.match(
    snapshot.limitRanges?.filter(({ metadata }) => metadata.name === name),
    [{ spec: { limits: [{ default: { cpu: '250m' } }] } }],
  );
  const pool = makePool(name, { requirements: [] });
  const { template } = pool.spec;
  const nodeClassRef = { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name };
  const ofClass = {
    ...pool,
    spec: { ...pool.spec, template: { ...template, spec: { ...template.spec, nodeClassRef } } },
  };
  const catalogue = priceList({ name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2 });
  const typeNow = () =>
    supplyOf(catalogue, { ...gatherSnapshot(caches), nodes: [], nodePools: [ofClass] }).of(ofClass).types[0];
  t.match(typeNow(), { capacity: { ephemeralStorage: 200 * 1024 ** 3 } });
  t.equal((typeNow()?.capacity.pods ?? 0) - (typeNow()?.overhead.pods ?? 0), 17);
  // Subnets are written by Karpenter, into the status.
  await client.patch(
    EC2_NODE_CLASSES,
    { name },
    { status: { subnets: [{ id: 'subnet-1', zone: 'us-west-2b', zoneID: 'usw2-az2' }] } },
    { subresource: 'status' },
  );
  await soon(
    'machines are had in the zone of the only subnet',
    () => [...new Set(typeNow()?.offerings.map(({ zone }) => zone))].join() === 'us-west-2b',
  );
  await client.patch(
    EC2_NODE_CLASSES,
    { name },
    {
      status: {
        conditions: [
          {
            type: 'Ready',
            status: 'False',
            reason: 'SubnetsNotFound',
            message: '',
            lastTransitionTime: '2026-01-01T00:00:00Z',
          },
        ],
      },
    },
    { subresource: 'status' },
  );
  const blocker = () =>
    supplyOf(catalogue, { ...gatherSnapshot(caches), nodePools: [ofClass] }).of(ofClass).blocker ?? '';
  await soon('a NodeClass that is not ready offers nothing', () => /SubnetsNotFound/.test(blocker()));
});
