import t from 'tap';
import type { Node } from '../../../api/objects.ts';
import type { InstanceView } from '../aws/control/types.ts';
import { orphanedNodes } from './nodes.ts';
import { type Observed, planSteps, RESTART_AFTER_MS } from './plan.ts';

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

const NOW = 1_000_000;

const observed = (change: Partial<Observed> = {}): Observed => ({
  alive: new Set(),
  started: new Set(change.alive ?? []),
  startedAt: new Map(),
  ...change,
});

t.test('a machine is started once its instance has joined, and only once', async (t) => {
  const joined = instance('i-1');
  const running = instance('i-2');
  const waiting = instance('i-3', { hasJoined: false });
  const steps = planSteps([joined, running, waiting], observed({ alive: new Set(['i-2']) }), NOW);
  t.strictSame(steps, { start: [joined], stop: [] });
});

t.test('a machine is stopped when its instance shuts down or is no longer known', async (t) => {
  const ending = instance('i-1', { state: 'shutting-down', hasJoined: false });
  const steps = planSteps([ending], observed({ alive: new Set(['i-1', 'i-9']) }), NOW);
  t.strictSame(steps, { start: [], stop: ['i-1', 'i-9'] });
});

t.test('what a machine that has ended left behind is cleared with its instance', async (t) => {
  const steps = planSteps([], observed({ started: new Set(['i-1']) }), NOW);
  t.strictSame(steps, { start: [], stop: ['i-1'] });
});

t.test('a kubelet that has ended is started again, but not at once', async (t) => {
  const one = instance('i-1');
  const seen = observed({ started: new Set(['i-1']), startedAt: new Map([['i-1', NOW]]) });
  t.strictSame(planSteps([one], seen, NOW + RESTART_AFTER_MS - 1).start, []);
  t.strictSame(planSteps([one], seen, NOW + RESTART_AFTER_MS).start, [one]);
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
