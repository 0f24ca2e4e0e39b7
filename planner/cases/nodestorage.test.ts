import t from 'tap';
import type { NodeClassObject, Pod } from '../../api/objects.ts';
import type { Catalogue } from '../model/catalogue.ts';
import { makeNode, makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { everyValue, priceList, provisioned } from '../testing/cases.ts';

const TYPE = 'node.kubernetes.io/instance-type';
const LOCAL_NVME = 'karpenter.k8s.aws/instance-local-nvme';
const POOLS = { nodePools: [makePool('default', { requirements: [] })] };

const listed = priceList(
  { name: 'm5.xlarge', cpu: 4, memory: '16Gi', price: 0.2, resources: { 'ephemeral-storage': '20Gi' } },
  { name: 'm5d.xlarge', cpu: 4, memory: '16Gi', price: 0.226, resources: { 'ephemeral-storage': '20Gi' } },
);
const M5: Catalogue = {
  instanceTypes: listed.instanceTypes.map((type) =>
    type.name === 'm5d.xlarge' ? { ...type, labels: { ...type.labels, [LOCAL_NVME]: '150' } } : type,
  ),
};

const disk = (size: string): Pod => {
  const pod = makePod('p', { cpu: 100, memory: 100 });
  const [container] = pod.spec.containers;
  if (!container) throw new Error('the pod has no container');
  const requests = { ...container.resources?.requests, 'ephemeral-storage': size };
  return { ...pod, spec: { ...pod.spec, containers: [{ ...container, resources: { requests } }] } };
};

/** The types that a pod which asks for a disk may get, or why it gets none. */
const typesFor = (
  size: string,
  spec: NodeClassObject['spec'],
  kind = 'EC2NodeClass',
  standing: Parameters<typeof makeSnapshot>[0] = [],
): readonly string[] => {
  const nodeClass: NodeClassObject = { kind, metadata: { name: 'default' }, ...(spec && { spec }) };
  const pools = POOLS.nodePools.map((pool) => ({
    ...pool,
    spec: {
      ...pool.spec,
      template: {
        ...pool.spec.template,
        spec: { ...pool.spec.template.spec, nodeClassRef: { group: 'g', kind, name: 'default' } },
      },
    },
  }));
  const snapshot = makeSnapshot(standing, [disk(size)], { nodePools: pools, nodeClasses: [nodeClass] });
  const planned = provisioned(snapshot, M5);
  return planned.unplaced.length > 0 ? [] : everyValue(planned, TYPE);
};

const AL2023 = { amiSelectorTerms: [{ alias: 'al2023@latest' }] };
const mapped = (deviceName: string, volumeSize: string, rootVolume = false) => ({
  blockDeviceMappings: [{ deviceName, rootVolume, ebs: { volumeSize } }],
});
const BOTH = ['m5.xlarge', 'm5d.xlarge'];

for (const [what, size, spec, expected] of [
  ['the default volume, less reserve and eviction threshold', '17Gi', AL2023, BOTH],
  ['no more than the default volume', '17500Mi', AL2023, []],
  ['a mapped volume', '170Gi', { ...AL2023, ...mapped('/dev/xvda', '200Gi') }, BOTH],
  ['another device is not the disk of pods', '100Gi', { ...AL2023, ...mapped('/dev/xvdb', '200Gi') }, []],
  [
    'the data volume of Bottlerocket',
    '170Gi',
    { amiFamily: 'Bottlerocket', ...mapped('/dev/xvdb', '200Gi') },
    BOTH,
  ],
  ['the root volume, by its mark', '170Gi', { ...AL2023, ...mapped('/dev/sdx', '200Gi', true) }, BOTH],
  ['the last volume of an image of its own', '170Gi', mapped('/dev/sdx', '200Gi'), BOTH],
  [
    'disks in the machine, put together',
    '120Gi',
    { ...AL2023, instanceStorePolicy: 'RAID0' },
    ['m5d.xlarge'],
  ],
  ['disks in the machine, when nobody puts them together', '120Gi', AL2023, []],
  [
    'an eviction threshold in percent',
    '100Gi',
    { ...AL2023, ...mapped('/dev/xvda', '200Gi'), kubelet: { evictionHard: { 'nodefs.available': '50%' } } },
    [],
  ],
  [
    'an eviction threshold as an amount, and a reserve of the system',
    '180Gi',
    {
      ...AL2023,
      ...mapped('/dev/xvda', '200Gi'),
      kubelet: {
        evictionHard: { 'nodefs.available': '1Gi' },
        kubeReserved: { 'ephemeral-storage': '2Gi' },
        systemReserved: { 'ephemeral-storage': '15Gi' },
      },
    },
    BOTH,
  ],
] as const satisfies readonly (readonly [string, string, NodeClassObject['spec'], readonly string[]])[])
  t.test(`a NodeClass's disk: ${what}`, async (t) => {
    t.same([...typesFor(size, spec)].sort(), expected);
  });

t.test("a NodeClass's disk: that of EKS Auto Mode", async (t) => {
  t.same([...typesFor('70Gi', {}, 'NodeClass')].sort(), BOTH);
  t.same([...typesFor('90Gi', { ephemeralStorage: { size: '80Gi' } }, 'NodeClass')], []);
  t.same([...typesFor('160Gi', { ephemeralStorage: { size: '200Gi' } }, 'NodeClass')].sort(), BOTH);
});

t.test("a NodeClass's disk: a machine of another class or type does not say how large it is", async (t) => {
  const large = { ...AL2023, ...mapped('/dev/xvda', '200Gi') };
  const standing = (pool: string) => [makeNode('n1', { type: 'm5.xlarge', pool })];
  t.same([...typesFor('170Gi', large, 'EC2NodeClass', standing('elsewhere'))].sort(), BOTH);
  t.same(
    typesFor('170Gi', large, 'EC2NodeClass', standing('default')),
    ['m5d.xlarge'],
    'its own class and type does',
  );
  t.same(
    typesFor('120Gi', { ...AL2023, instanceStorePolicy: 'RAID0' }, 'EC2NodeClass', standing('default')),
    ['m5d.xlarge'],
  );
});
