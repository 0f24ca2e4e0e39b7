import fc from 'fast-check';
import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { NodeClaim } from '../../api/objects.ts';
import * as make from '../testing/builders.ts';
import { DerivedIntents } from './derivedintents.ts';
import { type IntentSources, inOrder, intentsOf } from './intents.ts';

const NODES_EACH = 5;
const MOVES_EACH = 100;

const claimNames = (plan: string): readonly string[] =>
  Array.from({ length: NODES_EACH }, (_, at) => `${plan}-${at}`);

const launched = (name: string): NodeClaim => ({
  ...make.nodeClaim(name),
  status: { providerID: `aws:///us-west-2a/${name}`, capacity: {}, allocatable: {} },
});

const planNamed = (name: string, moves = MOVES_EACH): RebalancePlan => {
  const names = claimNames(name);
  const plan = make.plan(
    {
      nodeClaimsToAdd: names.map((each) => make.toAdd(each)),
      podsToMigrate: Array.from({ length: moves }, (_, at) => ({
        namespace: 'shop',
        name: `${name}-pod-${at}`,
        // Each tenth is a pod that waits, each seventh goes to a node that Karpenter does not own.
        ...(at % 10 !== 9 && {
          srcNode: 'blue',
          owner: { kind: 'ReplicaSet', name: 'rs', uid: `rs-${at % 4}` },
        }),
        ...(at % 7 === 6 ? { dstNodeName: 'managed' } : { dstNodeClaimName: names[at % NODES_EACH] ?? '' }),
      })),
    },
    {},
    'SavingsValidated',
  );
  return { ...plan, metadata: { ...plan.metadata, name, uid: name } };
};

/** A cluster whose sources count how often each is asked. */
const world = (plans: readonly string[]) => {
  const claims = new Map(plans.flatMap(claimNames).map((name) => [name, launched(name)]));
  const nodes = new Set(['managed']);
  const pods = new Map<string, string>();
  const names = new Map<string, string>();
  const asked = { claims: 0 };
  const named = (name: string | undefined) => (name === undefined ? undefined : make.node(name));
  const sources: IntentSources = {
    claim: (name) => {
      asked.claims += 1;
      return claims.get(name);
    },
    node: ({ metadata }) => named(nodes.has(metadata.name) ? metadata.name : undefined),
    nodeNamed: (name) => named(nodes.has(name) ? name : undefined),
    pod: (_, name) => {
      const uid = pods.get(name);
      return uid === undefined ? undefined : make.pod(name, { uid });
    },
    nodeName: (id) => names.get(id),
    joinDeadlineMs: 600_000,
  };
  return { claims, nodes, pods, names, asked, sources };
};

t.test('a plan of hundreds of moves looks up each of its machines a few times', async (t) => {
  const { asked, sources } = world(['a']);
  t.ok(intentsOf(sources, planNamed('a')).pins.length > NODES_EACH);
  t.equal(asked.claims, 2 * NODES_EACH, 'once for its pins, once for its placeholder');
});

t.test('a change of one plan among 50 derives the intents of that plan alone', async (t) => {
  const plans = new Map(Array.from({ length: 50 }, (_, at) => [`p${at}`, planNamed(`p${at}`)]));
  let read = 0;
  for (const { spec } of plans.values()) {
    const { podsToMigrate = [] } = spec;
    Object.defineProperty(spec, 'podsToMigrate', {
      get: () => {
        read += 1;
        return podsToMigrate;
      },
    });
  }
  const { claims, sources } = world([...plans.keys()]);
  const derived = new DerivedIntents(sources);
  const all = derived.of([...plans.values()]);
  const first = read;
  t.equal(derived.of([...plans.values()]), all, 'the same list while nothing has changed');
  t.equal(read, first, 'and no plan was read');
  const { p7 } = Object.fromEntries(plans);
  if (p7) plans.set('p7', { ...p7, metadata: { ...p7.metadata, resourceVersion: '2' } });
  derived.of([...plans.values()]);
  t.equal(read - first, first / 50, 'a status that was written');
  claims.set('p9-0', { ...launched('p9-0'), status: {} });
  derived.of([...plans.values()]);
  t.equal(read - first, (first / 50) * 2, 'a machine that changed');
});

t.test('after any changes the intents are those of a new derivation', async (t) => {
  const PLANS = ['a', 'b', 'c'];
  const change = fc.record({
    plan: fc.constantFrom(...PLANS),
    at: fc.nat(NODES_EACH - 1),
    kind: fc.constantFrom('claim', 'no claim', 'node', 'managed', 'pod', 'name', 'plan', 'no plan'),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const { claims, nodes, pods, names, sources } = world(PLANS);
      const plans = new Map(PLANS.map((name) => [name, planNamed(name, 20)]));
      const derived = new DerivedIntents(sources);
      const toggle = (set: Set<string>, key: string): void => {
        if (!set.delete(key)) set.add(key);
      };
      for (const [turn, { plan, at, kind }] of changes.entries()) {
        const name = `${plan}-${at}`;
        if (kind === 'claim') claims.set(name, launched(name));
        if (kind === 'no claim') claims.delete(name);
        if (kind === 'node') toggle(nodes, name);
        if (kind === 'managed') toggle(nodes, 'managed');
        if (kind === 'pod') pods.set(`${plan}-pod-9`, `uid-${turn}`);
        if (kind === 'name') names.set(`aws:///us-west-2a/${name}`, `ip-${turn}`);
        if (kind === 'plan') plans.set(plan, planNamed(plan, 20 + at));
        if (kind === 'no plan') plans.delete(plan);
        const now = [...plans.values()];
        t.same(derived.of(now), inOrder(now.map((each) => intentsOf(sources, each))));
      }
    }),
    { seed: 20_261_130, numRuns: 60 },
  );
});
