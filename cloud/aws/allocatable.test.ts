import t from 'tap';
import { capacityOf, maxPods, overheadOf, reservedCpu } from './allocatable.ts';

const MIB = 1024 * 1024;

t.test('max pods are those of the EKS list', async (t) => {
  // amazon-eks-ami, eni-max-pods.txt: t3.medium, m5.large, m5.4xlarge.
  t.same([maxPods(3, 6), maxPods(3, 10), maxPods(8, 30)], [17, 29, 234]);
});

t.test('reserved CPU grows by brackets', async (t) => {
  t.same([1000, 2000, 4000, 8000, 96_000].map(reservedCpu), [60, 70, 80, 90, 310]);
});

t.test('an m5.large', async (t) => {
  const hardware = {
    vcpus: 2,
    memoryMiB: 8192,
    networkInterfaces: 3,
    addressesPerInterface: 10,
    devices: {},
  };
  const capacity = capacityOf(hardware, 0.075);
  t.match(capacity, { cpu: 2000, memory: 7577 * MIB, pods: 29 });
  t.match(overheadOf(capacity), { cpu: 70, memory: (11 * 29 + 255 + 100) * MIB, pods: 0 });
});
