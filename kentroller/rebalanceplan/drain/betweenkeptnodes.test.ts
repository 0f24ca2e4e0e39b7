import t from 'tap';
import type { Node, Pod } from '../../../api/objects.ts';
import { podName } from '../../../api/pods.ts';
import * as make from '../../testing/builders.ts';
import { BLUE, describeStep } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';
import { podsOnKeptNodesOf } from './podsonkeptnodes.ts';

/** Pods that go from one node that stays to another are asked for together, and each node is looked at once. */

const pod = (name: string, node: string, cpu: string): Pod => {
  const made = make.pod(name);
  return {
    ...made,
    spec: { ...made.spec, nodeName: node, containers: [{ name: 'c', resources: { requests: { cpu } } }] },
  };
};

/** A plan that moves these pods, each to the node that is named beside it; nodes have 4 cores. */
const stateOf = (
  moves: readonly (readonly [Pod, string])[],
  there: readonly Pod[] = [],
  status: Parameters<typeof make.plan>[1] = {},
): ExecutionState => {
  const plan = make.plan(
    {
      nodeClaimsToDelete: [{ nodeClaimName: 'blue' }],
      podsToMigrate: moves.map(([{ metadata, spec }, to]) => ({
        name: metadata.name,
        namespace: 'shop',
        srcNode: spec.nodeName ?? '',
        dstNodeName: to,
        owner: { kind: 'ReplicaSet', name: 'rs', uid: 'rs-uid' },
      })),
    },
    status,
    'PinsReady',
  );
  const pods = [...moves.map(([each]) => each), ...there];
  const on = Map.groupBy(pods, ({ spec }) => spec.nodeName ?? '');
  const names = new Set([...on.keys(), ...moves.map(([, to]) => to)]);
  const nodes = [...names].map((name): [string, Node] => [
    `node/${name}`,
    make.node(name.replace(/^node-/, '')),
  ]);
  const byName = new Map(pods.map((each) => [podName(each), each]));
  return make.executionState(plan, {
    nodeClaims: new Map([...BLUE.nodeClaims]),
    nodes: new Map([...BLUE.nodes, ...nodes]),
    pods: new Map([
      ['blue', []],
      ...[...names].map((name): [string, readonly Pod[]] => [`node/${name}`, on.get(name) ?? []]),
    ]),
    podsOnKeptNodes: podsOnKeptNodesOf(plan, {
      podOf: (key) => byName.get(key),
      removedNodes: new Set(['node-blue']),
    }),
  });
};
const evicted = (state: ExecutionState): readonly string[] =>
  decide(state)
    .steps.map(describeStep)
    .filter((step) => step.startsWith('evict'));

const four = ['w-1', 'w-2', 'w-3', 'w-4'].map((name) => pod(name, 'node-ka', '900m'));

t.test('pods of a kept node that go to another one need room there together', async (t) => {
  const moves = four.map((each) => [each, 'node-kb'] as const);
  t.equal(evicted(stateOf(moves)).length, 4);
  const narrow = stateOf(moves, [pod('stranger', 'node-kb', '3')]);
  t.same(evicted(narrow), [], 'room for one of four');
  const warnings = decide(narrow).steps.filter(({ kind }) => kind === 'warn');
  t.equal(warnings.length, 4);
  t.match(
    warnings[0]?.message,
    /node node-kb, .* can't hold pod shop\/w-2 now beside those that come with it: Insufficient cpu/,
  );
});

t.test('a pod that stays for a reason of its own keeps no others back', async (t) => {
  const bare = make.pod('w-1', { ownerReferences: [] });
  const [first, ...others] = four as [Pod, ...Pod[]];
  const moves = [{ ...first, metadata: bare.metadata }, ...others].map((each) => [each, 'node-kb'] as const);
  t.same(evicted(stateOf(moves, [pod('stranger', 'node-kb', '1200m')])), [
    'evict w-2',
    'evict w-3',
    'evict w-4',
  ]);
});

t.test('pods that stay, as they have no room together, make none where they are', async (t) => {
  const moves = [...four.map((each) => [each, 'node-kb'] as const)];
  const next = pod('next', 'node-kc', '3');
  const chained = [...moves, [next, 'node-ka'] as const];
  t.equal(evicted(stateOf(chained)).length, 5);
  t.same(evicted(stateOf(chained, [pod('stranger', 'node-kb', '3')])), []);
});

/** How often a pass reads a pod or a move when every node of a ring gives three pods to the next one. */
const readsFor = (size: number): number => {
  let reads = 0;
  const counted = <T extends object>(object: T, key: keyof T & string): T => {
    const value = object[key];
    const get = () => {
      reads += 1;
      return value;
    };
    return Object.defineProperty({ ...object }, key, { get, enumerable: true });
  };
  const moves = Array.from({ length: size }, (_, at) =>
    [1, 2, 3].map(
      (each) =>
        [counted(pod(`w-${at}-${each}`, `node-k${at}`, '10m'), 'spec'), `node-k${(at + 1) % size}`] as const,
    ),
  ).flat();
  const state = stateOf(moves);
  const podsToMigrate = state.plan.spec.podsToMigrate?.map((move) => counted(move, 'name'));
  const plan = { ...state.plan, spec: { ...state.plan.spec, podsToMigrate } } as typeof state.plan;
  reads = 0;
  t.equal(evicted({ ...state, plan }).length, size * 3);
  return reads;
};

t.test('a pass over twice as many kept nodes takes twice the work', async (t) => {
  const [few, many] = [readsFor(15), readsFor(30)];
  t.comment(`${few} and ${many} reads`);
  t.ok(many < 2.5 * few, `${few} and ${many} reads`);
});
