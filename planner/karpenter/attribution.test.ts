import fc from 'fast-check';
import t from 'tap';
import type { NodeClaim, Pod, PodSpec, Requirement } from '../../api/objects.ts';
import { formatAmount } from '../../api/quantity.ts';
import { deductRequests, nodeInfoOf } from '../scheduling/nodeinfo.ts';
import { podRequests, type Requests } from '../scheduling/noderesources.ts';
import { makeNode, makePod } from '../testing/builders.ts';
import { attributePods } from './attribution.ts';
import { type InFlightClaim, requestsOf } from './inflightclaim.ts';

const sumOf = (pods: readonly Pod[]): Requests => {
  const sum: Requests = new Map();
  for (const pod of pods) deductRequests(sum, podRequests(pod), -1);
  return sum;
};

const requestsList = (requests: Requests) =>
  Object.fromEntries([...requests].map(([resource, value]) => [resource, formatAmount(resource, value)]));

/** A claim that was bought for these pods; launched when a size is given, in CPU millicores and MiB. */
const claimFor = (
  name: string,
  pods: readonly Pod[],
  o: {
    readonly size?: readonly [number, number];
    readonly zone?: string;
    readonly requirements?: readonly Requirement[];
    readonly there?: readonly Pod[];
  } = {},
): InFlightClaim => {
  const made = makeNode(name, {
    ...(o.size ? { cpu: o.size[0], memory: o.size[1] } : {}),
    ...(o.zone ? { zone: o.zone } : {}),
  });
  const claim: NodeClaim = {
    ...made.claim,
    metadata: { ...made.claim.metadata, name },
    spec: {
      ...made.claim.spec,
      requirements: o.requirements ?? [],
      resources: { requests: requestsList(sumOf(pods)) },
    },
  };
  const budget = requestsOf(claim);
  for (const pod of o.there ?? []) deductRequests(budget, podRequests(pod));
  return { claim, budget, node: o.size ? nodeInfoOf(made.node, o.there ?? []) : undefined };
};

const pod = (name: string, cpu: number, memory = 512, spec: Partial<PodSpec> = {}): Pod =>
  makePod(name, { cpu, memory, spec });

const places = (
  inFlight: readonly InFlightClaim[],
  pods: readonly Pod[],
  assigned = new Map<string, string>(),
) =>
  Object.fromEntries(
    attributePods({ inFlight, pods, assigned })
      .attributions.map((each): [string, string] => [each.pod.metadata.name, each.claim])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

const inZone = (zone: string): Partial<PodSpec> => ({
  nodeSelector: { 'topology.kubernetes.io/zone': zone },
});
const zones = (...values: string[]): Requirement[] => [
  { key: 'topology.kubernetes.io/zone', operator: 'In', values },
];

t.test('pods go to the claims whose requests they add up to', async (t) => {
  const large = [pod('l1', 2000), pod('l2', 2000)];
  const small = [pod('s1', 500), pod('s2', 500), pod('s3', 500)];
  const found = places(
    [claimFor('a', small, { size: [4000, 8000] }), claimFor('b', large, { size: [8000, 8000] })],
    [...small, ...large],
  );
  t.strictSame(found, { l1: 'b', l2: 'b', s1: 'a', s2: 'a', s3: 'a' });
});

t.test('memory tells claims apart where CPU does not', async (t) => {
  const lean = [pod('x1', 1000, 256), pod('x2', 1000, 256)];
  const fat = [pod('y1', 1000, 4096), pod('y2', 1000, 4096)];
  const found = places(
    [claimFor('a', lean, { size: [3900, 15_000] }), claimFor('b', fat, { size: [3900, 15_000] })],
    [...fat, ...lean],
  );
  t.strictSame(found, { x1: 'a', x2: 'a', y1: 'b', y2: 'b' });
});

t.test('a claim that is not launched yet keeps its pods from the others', async (t) => {
  const first = [pod('a1', 1000), pod('a2', 1000)];
  const second = [pod('b1', 1000), pod('b2', 1000)];
  const found = places(
    [claimFor('a', first, { size: [8000, 15_000] }), claimFor('b', second)],
    [...first, ...second],
  );
  t.equal(Object.values(found).filter((name) => name === 'a').length, 2);
  t.equal(Object.values(found).filter((name) => name === 'b').length, 2);
});

t.test('a pod goes only where every machine that the claim may become meets what it demands', async (t) => {
  const tied = pod('tied', 500, 512, inZone('us-west-2b'));
  const open = claimFor('open', [tied], { requirements: zones('us-west-2a', 'us-west-2b') });
  t.strictSame(places([open], [tied]), {}, 'one of two zones is not enough');
  t.strictSame(places([claimFor('b', [tied], { requirements: zones('us-west-2b') })], [tied]), { tied: 'b' });
  const launched = claimFor('c', [tied], { size: [2000, 4000], zone: 'us-west-2b' });
  t.strictSame(places([launched], [tied]), { tied: 'c' }, 'once launched, the zone is known');
});

t.test('pods that few claims can hold are placed before those that could use their room', async (t) => {
  const tied = [pod('t1', 500, 512, inZone('us-west-2b'))];
  const free = [pod('f1', 1000), pod('f2', 500)];
  const found = places(
    [
      claimFor('a', [free[0] as Pod], { size: [1000, 4000], zone: 'us-west-2a' }),
      claimFor('b', [...tied, free[1] as Pod], { size: [1000, 4000], zone: 'us-west-2b' }),
    ],
    [...free, ...tied],
  );
  t.strictSame(found, { f1: 'a', f2: 'b', t1: 'b' });
});

t.test('taints of the claim keep out pods that do not tolerate them; startup taints do not', async (t) => {
  const plain = pod('plain', 500);
  const inFlight = claimFor('a', [plain], { size: [2000, 4000] });
  const tainted = (key: 'taints' | 'startupTaints'): InFlightClaim => ({
    ...inFlight,
    claim: {
      ...inFlight.claim,
      spec: { ...inFlight.claim.spec, [key]: [{ key: 'x', effect: 'NoSchedule' }] },
    },
  });
  t.strictSame(places([tainted('taints')], [plain]), {});
  t.strictSame(places([tainted('startupTaints')], [plain]), { plain: 'a' });
});

t.test('pods on the machine count, and a pod that fits nowhere is left alone', async (t) => {
  const there = pod('there', 1500);
  const more = [pod('m1', 500), pod('m2', 500)];
  const inFlight = claimFor('a', [there, more[0] as Pod], { size: [2000, 4000], there: [there] });
  t.strictSame(places([inFlight], more), { m1: 'a' });
});

t.test('room beyond the requests is used last', async (t) => {
  const meant = pod('meant', 500);
  const late = pod('late', 700);
  const inFlight = claimFor('a', [meant], { size: [1200, 4000] });
  t.strictSame(
    attributePods({ inFlight: [inFlight], pods: [late, meant], assigned: new Map() }).attributions.map(
      (f) => [f.pod.metadata.name, f.basis],
    ),
    [
      ['meant', 'requests'],
      ['late', 'room'],
    ],
  );
});

t.test('anti-affinity and host ports keep pods of one claim apart', async (t) => {
  const apart: Partial<PodSpec> = {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { app: 'web' } }, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    },
  };
  const pods = [pod('p1', 500, 512, apart), pod('p2', 500, 512, apart), pod('p3', 500, 512, apart)];
  const claims = ['a', 'b'].map((name) => claimFor(name, pods, { size: [8000, 15_000] }));
  const found = Object.values(places(claims, pods));
  t.strictSame([...found].sort(), ['a', 'b'], 'one on each, and the third on neither');
});

t.test('an assigned pod stays, also where the sums would put it elsewhere', async (t) => {
  const pods = [pod('p1', 500), pod('p2', 500)];
  const claims = [
    claimFor('a', [pods[0] as Pod], { size: [2000, 4000] }),
    claimFor('b', [pods[1] as Pod], { size: [2000, 4000] }),
  ];
  t.strictSame(places(claims, pods, new Map([['uid-p1', 'b']])), { p1: 'b', p2: 'a' });
  t.strictSame(
    places(claims.slice(0, 1), pods, new Map([['uid-p1', 'gone']])),
    { p1: 'a', p2: 'a' },
    'a deleted claim keeps no pod',
  );
});

/** Buys as Karpenter does: largest pod first, to the claim with the fewest pods that can hold it, else a new one. */
const buy = (pods: readonly Pod[], size: readonly [number, number]): Pod[][] => {
  const order = [...pods].sort(
    (a, b) =>
      (podRequests(b).get('cpu') ?? 0) - (podRequests(a).get('cpu') ?? 0) ||
      (podRequests(b).get('memory') ?? 0) - (podRequests(a).get('memory') ?? 0),
  );
  const claims: Pod[][] = [];
  const can = (claim: readonly Pod[], one: Pod): boolean => {
    const sum = sumOf([...claim, one]);
    return (
      (sum.get('cpu') ?? 0) <= size[0] && (sum.get('memory') ?? 0) <= size[1] * 2 ** 20 && claim.length < 58
    );
  };
  for (const one of order) {
    claims.sort((a, b) => a.length - b.length);
    const host = claims.find((claim) => can(claim, one));
    if (host) host.push(one);
    else claims.push([one]);
  }
  return claims;
};

const SHAPES: readonly (readonly [number, number])[] = [
  [100, 128],
  [250, 512],
  [500, 512],
  [500, 2048],
  [1000, 1024],
  [1500, 6000],
  [2000, 3000],
];
const bursts = fc.array(fc.nat(SHAPES.length - 1), { minLength: 1, maxLength: 120 });
const podsOf = (burst: readonly number[]): Pod[] =>
  burst.map((s, i) => pod(`p${i}`, SHAPES[s]?.[0] ?? 100, SHAPES[s]?.[1] ?? 128));
const SIZE = [7900, 15_000] as const;

t.test(
  'of any burst that Karpenter bought for, nearly every pod gets a place, and no claim is overfilled',
  async (t) => {
    let placed = 0;
    let total = 0;
    fc.assert(
      fc.property(bursts, (burst) => {
        const pods = podsOf(burst);
        // Machines of exactly the requested size, without room to spare.
        const claims = buy(pods, SIZE).map((content, i) => {
          const sum = sumOf(content);
          return claimFor(`c${i}`, content, {
            size: [sum.get('cpu') ?? 0, Math.ceil((sum.get('memory') ?? 0) / 2 ** 20)],
          });
        });
        const { attributions: found } = attributePods({ inFlight: claims, pods, assigned: new Map() });
        for (const { claim, node } of claims) {
          const here = found.filter((f) => f.claim === claim.metadata.name).map((f) => f.pod);
          for (const [resource, value] of sumOf(here)) {
            if (value > (node?.free.get(resource) ?? 0))
              throw new Error(`${claim.metadata.name}: ${resource}`);
          }
        }
        const names = new Set(found.map((f) => f.pod.metadata.name));
        if (names.size !== found.length) throw new Error('a pod was placed twice');
        placed += found.length;
        total += pods.length;
      }),
      { seed: 6, numRuns: 300 },
    );
    t.comment(`${placed} of ${total} pods have a place`);
    t.ok(placed / total > 0.97, `${placed} of ${total} pods have a place`);
  },
);

t.test('the order of pods and claims changes nothing, and assigned pods stay where they are', async (t) => {
  fc.assert(
    fc.property(bursts, fc.integer(), (burst, seed) => {
      const pods = podsOf(burst);
      const claims = buy(pods, SIZE).map((content, i) =>
        claimFor(`c${i}`, content, { size: [7900, 15_000] }),
      );
      const shuffled = [...pods].sort(
        (a, b) => ((a.metadata.name.length * seed) % 7) - ((b.metadata.name.length * seed) % 7),
      );
      const once = places(claims, pods);
      const again = places([...claims].reverse(), shuffled.reverse());
      if (JSON.stringify(once) !== JSON.stringify(again)) throw new Error('another order, another answer');
      const assigned = new Map(
        Object.entries(once).map(([name, claim]): [string, string] => [`uid-${name}`, claim]),
      );
      if (JSON.stringify(places(claims, pods, assigned)) !== JSON.stringify(once))
        throw new Error('an assigned pod was moved');
    }),
    { seed: 7, numRuns: 100 },
  );
  t.pass('the same each time');
});
