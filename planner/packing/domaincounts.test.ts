import fc from 'fast-check';
import t from 'tap';
import { randomFrom } from '../search/random.ts';
import { randomProblem } from '../testing/randomproblem.ts';
import { DomainCounts } from './domaincounts.ts';
import { itemAt } from './matrix.ts';
import type { PodRule, Tally } from './podrules.ts';
import type { Problem } from './problem.ts';

interface Placed {
  readonly podClass: number;
  readonly node: number;
  readonly nodeClass: number;
}

const HOSTNAME = 'kubernetes.io/hostname';

/** The domain of a node by a tally's key; undefined where it has none. */
const domainOf = (problem: Problem, { key }: Tally, node: number, nodeClass: number): string | undefined => {
  const value = itemAt(problem.nodeClasses, nodeClass).labels[key];
  if (key === '') return `node ${node}`;
  return value === undefined ? undefined : key === HOSTNAME ? `node ${node}` : value;
};

/** The counts per domain, from the list of pods alone. */
const recount = (problem: Problem, tally: Tally, pods: readonly Placed[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const { podClass, node, nodeClass } of pods) {
    const domain = domainOf(problem, tally, node, nodeClass);
    if (domain === undefined || !tally.counted[podClass]) continue;
    if (tally.eligible && !tally.eligible[nodeClass]) continue;
    counts.set(domain, (counts.get(domain) ?? 0) + 1);
  }
  return counts;
};

const isSatisfied = (
  problem: Problem,
  rule: PodRule,
  pods: readonly Placed[],
  node: number,
  nodeClass: number,
): boolean => {
  const tallies = (rule.kind === 'some' ? rule.tallies : [rule.tally]).map((id) =>
    itemAt(problem.rules.tallies, id),
  );
  const found = tallies.map((tally) => {
    const domain = domainOf(problem, tally, node, nodeClass);
    const counts = recount(problem, tally, pods);
    return { tally, domain, counts, n: domain === undefined ? 0 : (counts.get(domain) ?? 0) };
  });
  if (rule.kind === 'none') return found.every(({ n }) => n === 0);
  if (found.some(({ domain }) => domain === undefined)) return false;
  if (rule.kind === 'some') {
    return found.every(({ n }) => n > 0) || (rule.self && found.every(({ counts }) => counts.size === 0));
  }
  const { tally, counts, n } = itemAt(found, 0);
  const domains = new Set(
    problem.nodeClasses.flatMap((_, other) =>
      tally.eligible && !tally.eligible[other] ? [] : (domainOf(problem, tally, -1, other) ?? []),
    ),
  );
  const isPerNode = tally.key === '' || tally.key === HOSTNAME;
  const least =
    isPerNode || domains.size < rule.minDomains || domains.size === 0
      ? 0
      : Math.min(...[...domains].map((domain) => counts.get(domain) ?? 0));
  return n + rule.self - least <= rule.maxSkew;
};

t.test('rules are judged as by a recount of all pods', async () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.nat(4), fc.integer({ min: 4, max: 25 }), (seed, nodes, count) => {
      const problem = randomProblem(seed, nodes, count, { spread: true, affinity: true, ports: true });
      const classes = problem.podClasses.length;
      if (classes === 0) return;
      const random = randomFrom(seed);
      const pick = (n: number): number => Math.floor(random() * n);
      // Fewer nodes than are used: the counts must grow.
      const counts = new DomainCounts(problem, 2);
      const places = Array.from({ length: 6 }, (_, node) => ({
        node,
        nodeClass: pick(problem.nodeClasses.length),
      }));
      let pods: Placed[] = [];
      for (let step = 0; step < 25; step += 1) {
        const pod = { podClass: pick(classes), ...itemAt(places, pick(6)) };
        if (pods.length > 0 && random() < 0.3) {
          const gone = itemAt(pods, pick(pods.length));
          counts.add(gone.podClass, gone.node, gone.nodeClass, -1);
          pods = pods.filter((other) => other !== gone);
        } else {
          counts.add(pod.podClass, pod.node, pod.nodeClass, 1);
          pods.push(pod);
        }
        for (const { node, nodeClass } of places) {
          const rules = itemAt(problem.rules.ofPodClass, pod.podClass);
          const expected = rules.every((rule) => isSatisfied(problem, rule, pods, node, nodeClass));
          const found = counts.satisfiesRules(pod.podClass, node, nodeClass);
          if (found !== expected) throw new Error(`${found} on node ${node}, rules ${JSON.stringify(rules)}`);
          if (counts.allows(pod.podClass, node, nodeClass) !== expected)
            throw new Error('without quotas, only what satisfies the rules is allowed');
        }
      }
    }),
    { numRuns: process.env.SOAK ? 5000 : 150, seed: 2 },
  );
});

t.test('with quotas a domain is filled to its even share at once, and no further', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(6), { minLength: 3, maxLength: 3 }),
      fc.nat(20),
      fc.integer({ min: 1, max: 3 }),
      (before, coming, maxSkew) => {
        const problem = zonalProblem(maxSkew);
        const counts = new DomainCounts(problem, 3);
        before.forEach((n, zone) => {
          counts.add(0, zone, zone, n);
        });
        counts.setSpreadQuotas(Int32Array.of(coming));
        // The even share by hand: each pod goes to the emptiest zone.
        const quota = [...before];
        for (let n = 0; n < coming; n += 1) {
          const emptiest = quota.indexOf(Math.min(...quota));
          quota[emptiest] = (quota[emptiest] ?? 0) + 1;
        }
        const now = [...before];
        before.forEach((_, zone) => {
          for (let n = 0; n < 30 && counts.allows(0, zone, zone); n += 1) {
            counts.add(0, zone, zone, 1);
            now[zone] = (now[zone] ?? 0) + 1;
          }
          const most = Math.max(quota[zone] ?? 0, Math.min(...now) + maxSkew, before[zone] ?? 0);
          const least = quota[zone] ?? 0;
          if ((now[zone] ?? 0) < least) throw new Error(`zone ${zone} has ${now[zone]}, not ${least}`);
          if ((now[zone] ?? 0) > most) throw new Error(`zone ${zone} has ${now[zone]}, over ${most}`);
        });
        counts.dropSpreadQuotas();
        const isLevel = (zone: number): boolean => (now[zone] ?? 0) + 1 - Math.min(...now) <= maxSkew;
        now.forEach((_, zone) => {
          if (counts.allows(0, zone, zone) !== isLevel(zone)) throw new Error(`zone ${zone} of ${now}`);
        });
      },
    ),
    { numRuns: 300, seed: 4 },
  );
});

t.test('with fewer domains than minDomains the emptiest one counts as empty', async (t) => {
  for (const [minDomains, expected] of [
    [3, true],
    [4, false],
  ] as const) {
    const counts = new DomainCounts(zonalProblem(1, minDomains), 3);
    for (const zone of [0, 1, 2]) counts.add(0, zone, zone, 2);
    t.equal(counts.satisfiesRules(0, 0, 0), expected, `minDomains ${minDomains}`);
  }
});

/** One pod class, spread over three zones; node classes are the zones. */
const zonalProblem = (maxSkew: number, minDomains = 1): Problem => {
  const key = 'topology.kubernetes.io/zone';
  const rules = {
    tallies: [{ key, counted: Uint8Array.of(1), eligible: undefined }],
    ofPodClass: [[{ kind: 'spread' as const, tally: 0, maxSkew, self: 1 as const, minDomains }]],
    countedBy: [Int32Array.of(0)],
    keys: [key],
  };
  const nodeClasses = ['a', 'b', 'c'].map((zone) => ({ name: '', labels: { [key]: zone }, taints: [] }));
  return { rules, nodeClasses } as Partial<Problem> as Problem;
};
