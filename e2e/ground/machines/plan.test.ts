import t from 'tap';
import type { Node } from '../../../api/objects.ts';
import type { InstanceView } from '../aws/control.types.ts';
import { orphanedNodes } from './nodes.ts';
import { planSteps } from './plan.ts';

const instance = (id: string, view: Partial<InstanceView> = {}): InstanceView => ({
  id,
  state: 'running',
  name: id,
  privateIp: '',
  instanceType: 'm5.large',
  capacityType: 'spot',
  zone: 'us-west-2a',
  architecture: 'x86_64',
  vcpus: 2,
  memoryMiB: 8_192,
  maxPods: 29,
  rootVolumeGiB: 20,
  devices: {},
  devicesDelayMs: 0,
  joinsAt: 0,
  hasJoined: true,
  userData: '',
  tags: {},
  ...view,
});

t.test('a machine is started once its instance has joined, and only once', async (t) => {
  const joined = instance('i-1');
  const running = instance('i-2');
  const waiting = instance('i-3', { hasJoined: false });
  t.strictSame(planSteps([joined, running, waiting], new Set(['i-2'])), { start: [joined], stop: [] });
});

t.test('a machine is stopped when its instance shuts down or is no longer known', async (t) => {
  const ending = instance('i-1', { state: 'shutting-down', hasJoined: false });
  t.strictSame(planSteps([ending], new Set(['i-1', 'i-9'])), { start: [], stop: ['i-1', 'i-9'] });
});

const node = (providerID: string, ready: 'True' | 'Unknown'): Node => ({
  metadata: { name: providerID },
  spec: { providerID },
  status: { conditions: [{ type: 'Ready', status: ready }] },
});

t.test('a Node goes when it is not ready and its instance is gone', async (t) => {
  const instances = [instance('i-1a'), instance('i-2b', { state: 'terminated' })];
  const gone = node('aws:///us-west-2a/i-2b', 'Unknown');
  const forgotten = node('aws:///us-west-2a/i-3c', 'Unknown');
  const kept = [
    node('aws:///us-west-2a/i-1a', 'Unknown'),
    node('aws:///us-west-2a/i-4d', 'True'),
    node('', 'Unknown'),
    node('kwok://other', 'Unknown'),
  ];
  t.strictSame(orphanedNodes([...kept, gone, forgotten], instances), [gone, forgotten]);
});
