import t from 'tap';
import type { Catalogue, InstanceType } from '../../planner/model/catalogue.ts';
import { type Fragments, fragmentsOf } from './fragments.ts';

const GIB = 1024 ** 3;

const type = (name: string, cpu: number, gib: number, price: number): InstanceType => ({
  name,
  arch: 'amd64',
  os: ['linux'],
  labels: {},
  capacity: { cpu, memory: gib * GIB, pods: 60, ephemeralStorage: 0, other: {} },
  overhead: { cpu: 100, memory: GIB / 100, pods: 0, ephemeralStorage: 0, other: {} },
  offerings: [{ zone: 'a', capacityType: 'on-demand', price, available: true }],
});

const CATALOGUE: Catalogue = {
  instanceTypes: [type('small', 2000, 8, 0.1), type('wide', 8000, 32, 0.38), type('tall', 8000, 64, 0.5)],
};
const SIZE = { nodes: 30, pods: 200, deployments: 12, seed: 7 };

const usedOf = ({ workloads, machines }: Fragments) =>
  machines.map(({ instanceType, pods }) => ({
    type: CATALOGUE.instanceTypes.find(({ name }) => name === instanceType),
    cpu: workloads.reduce((sum, w) => sum + w.cpu * (pods.get(w.name) ?? 0), 0),
    memory: workloads.reduce((sum, w) => sum + w.memory * (pods.get(w.name) ?? 0), 0),
  }));

t.test('the same seed gives the same cluster, another one another', async (t) => {
  t.same(fragmentsOf(CATALOGUE, SIZE), fragmentsOf(CATALOGUE, SIZE));
  t.notSame(fragmentsOf(CATALOGUE, SIZE), fragmentsOf(CATALOGUE, { ...SIZE, seed: 8 }));
});

t.test('as many machines and pods as asked for, and replicas that add up', async (t) => {
  const { workloads, machines } = fragmentsOf(CATALOGUE, SIZE);
  t.equal(machines.length, 30);
  const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);
  t.equal(sum(machines.map(({ pods }) => sum(pods.values()))), 200);
  for (const { name, replicas } of workloads) {
    t.equal(sum(machines.map(({ pods }) => pods.get(name) ?? 0)), replicas, name);
  }
});

t.test('no machine holds more than it has, and much of it is empty', async (t) => {
  const used = usedOf(fragmentsOf(CATALOGUE, SIZE));
  for (const { type, cpu, memory } of used) {
    t.ok(type && cpu <= type.capacity.cpu - type.overhead.cpu);
    t.ok(type && memory * 1024 ** 2 <= type.capacity.memory - type.overhead.memory);
  }
  const share =
    used.reduce((sum, { cpu }) => sum + cpu, 0) /
    used.reduce((sum, { type }) => sum + (type?.capacity.cpu ?? 0), 0);
  t.ok(share > 0.15 && share < 0.55, `${Math.round(share * 100)} % of the CPU is in use`);
});

t.test('pods that fit no type are told', async (t) => {
  const none: Catalogue = { instanceTypes: [type('tiny', 200, 1, 0.01)] };
  t.throws(() => fragmentsOf(none, SIZE), /no type holds a pod of/);
});
