import t from 'tap';
import type { InstanceView } from '../aws/control/types.ts';
import { machineSpecOf, reservedMiB, reservedMillicores } from './spec.ts';

const userData = (nodeConfig: string): string =>
  Buffer.from(
    [
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary="//"',
      '',
      '--//',
      'Content-Type: text/x-shellscript; charset="us-ascii"',
      '',
      'echo kind: NodeConfig',
      '--//',
      'Content-Type: application/node.eks.aws',
      '',
      '# Karpenter Generated NodeConfig',
      nodeConfig,
      '--//--',
    ].join('\n'),
  ).toString('base64');

const NODE_CONFIG = `
apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  cluster: {name: ground}
  kubelet:
    config:
      registerWithTaints:
      - {effect: NoExecute, key: karpenter.sh/unregistered}
      - {effect: NoSchedule, key: team, value: a}
      systemReserved: {memory: 50Mi}
    flags:
    - --node-labels="karpenter.sh/capacity-type=spot,team=a"
`;

const INSTANCE: InstanceView = {
  id: 'i-0123456789abcdef0',
  state: 'running',
  name: 'ip-10-64-0-4.us-west-2.compute.internal',
  privateIp: '10.64.0.4',
  instanceType: 'm5.xlarge',
  capacityType: 'spot',
  zone: 'us-west-2a',
  architecture: 'x86_64',
  vcpus: 4,
  memoryMiB: 16_384,
  maxPods: 58,
  rootVolumeGiB: 20,
  devices: { 'nvidia.com/gpu': 2 },
  devicesDelayMs: 5_000,
  joinsAt: 0,
  hasJoined: true,
  userData: userData(NODE_CONFIG),
  tags: {},
};

const PLACE = { folder: '/var/m', memoryOverhead: 0 };

t.test('a machine has the labels and taints of its user data', async (t) => {
  const spec = machineSpecOf(INSTANCE, PLACE);
  t.strictSame(spec.labels, { 'karpenter.sh/capacity-type': 'spot', team: 'a' });
  t.strictSame(spec.taints, [
    { key: 'karpenter.sh/unregistered', effect: 'NoExecute' },
    { key: 'team', effect: 'NoSchedule', value: 'a' },
  ]);
});

t.test(
  'a machine has the size of its instance type, and keeps for the system what nodeadm keeps',
  async (t) => {
    const spec = machineSpecOf(INSTANCE, PLACE);
    t.equal(spec.providerID, 'aws:///us-west-2a/i-0123456789abcdef0');
    t.equal(spec.memoryBytes, 16 * 2 ** 30);
    t.equal(spec.maxPods, 58);
    t.strictSame(spec.devices, { 'nvidia.com/gpu': '2' });
    t.strictSame(spec.reserved, [
      { cpu: '80m', memory: '893Mi', 'ephemeral-storage': '1Gi' },
      { memory: '50Mi' },
      { memory: '100Mi', 'ephemeral-storage': '2147483648' },
    ]);
  },
);

t.test('memory that firmware takes is not seen by the kubelet', async (t) => {
  t.equal(machineSpecOf(INSTANCE, { ...PLACE, memoryOverhead: 0.05 }).memoryBytes, 15_564 * 2 ** 20);
});

t.test('an arm machine says so, for its kubelet was built for another architecture', async (t) => {
  const spec = machineSpecOf({ ...INSTANCE, architecture: 'arm64' }, PLACE);
  t.equal(spec.labels['kubernetes.io/arch'], 'arm64');
});

t.test('flags of a kubelet are read with taints and without quotes too', async (t) => {
  const flags = `
kind: NodeConfig
spec:
  kubelet:
    config: {maxPods: 20}
    flags: [--node-labels=a=b, "--register-with-taints=x=y:NoSchedule,z:NoExecute"]
`;
  const spec = machineSpecOf({ ...INSTANCE, userData: userData(flags) }, PLACE);
  t.strictSame(spec.labels, { a: 'b' });
  t.equal(spec.maxPods, 20);
  t.strictSame(spec.taints, [
    { key: 'x', effect: 'NoSchedule', value: 'y' },
    { key: 'z', effect: 'NoExecute' },
  ]);
});

t.test('user data that nodeadm could not read is an error', async (t) => {
  t.throws(() => machineSpecOf({ ...INSTANCE, userData: userData('kind: NodeConfig\nspec: 3') }, PLACE));
});

t.test('what is reserved goes with cores and with addresses', async (t) => {
  const cases = [
    [1, 60],
    [2, 70],
    [4, 80],
    [8, 90],
    [96, 310],
  ] as const;
  for (const [cores, millicores] of cases) t.equal(reservedMillicores(cores), millicores);
  t.equal(reservedMiB(29), 574);
});
