import t from 'tap';
import type { NodePool } from '../../api/objects.ts';
import { limitBlocker } from './nodepoollimits.ts';

const pool: NodePool = {
  metadata: { name: 'general' },
  spec: {
    template: {
      spec: {
        nodeClassRef: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'default' },
        requirements: [],
      },
    },
  },
};

t.test('limits count what is there and what comes', async (t) => {
  const node = {
    name: 'n',
    instanceType: 'm5.large',
    isSpot: false,
    milliCPU: 2000,
    memoryMiB: 8192,
    priceHourly: '0.1',
  };
  const limited = {
    ...pool,
    spec: { ...pool.spec, limits: { cpu: '10' } },
    status: { resources: { cpu: '7' } },
  };
  t.equal(limitBlocker(limited, [node]), undefined);
  t.match(limitBlocker(limited, [node, node]), /limit of 10 for cpu: 7 are there, and the plan adds 4/);
  t.equal(limitBlocker(pool, [node]), undefined);
});
