import t from 'tap';
import type { Pod, PodSpec } from '../../api/objects.ts';
import { deductRequests } from '../scheduling/nodeinfo.ts';
import { podRequests, type Requests } from '../scheduling/noderesources.ts';
import { makePod } from '../testing/builders.ts';
import { type BoughtClaim, burstOf, podsOfBurst, purchase } from '../testing/purchase.ts';
import { type Attributed, type Attribution, attributePods } from './attribution.ts';

const NONE: ReadonlyMap<string, string> = new Map();

/** Everything that is wrong with the places of a burst's pods, in sentences. */
const faultsOf = (
  attributions: readonly Attribution[],
  bought: readonly BoughtClaim[],
): readonly string[] => {
  const faults: string[] = [];
  const names = new Set(attributions.map(({ pod }) => pod.metadata.name));
  if (names.size < attributions.length) faults.push('a pod has two places');
  for (const { claim, launched } of bought) {
    const { name } = claim.metadata;
    const here = attributions.filter((each) => each.claim === name).map(({ pod }) => pod);
    const free: Requests = new Map(launched.node?.free);
    for (const pod of here) deductRequests(free, podRequests(pod));
    for (const [resource, left] of free) if (left < 0) faults.push(`${name} lacks ${-left} of ${resource}`);
    const zone = launched.node?.labels['topology.kubernetes.io/zone'];
    for (const { spec, metadata } of here) {
      const wanted = spec.nodeSelector?.['topology.kubernetes.io/zone'];
      if (wanted !== undefined && wanted !== zone) faults.push(`${metadata.name} is in ${zone}`);
    }
  }
  return faults;
};

const placesOf = ({ attributions }: Attributed): string =>
  attributions
    .map(({ pod, claim }) => `${pod.metadata.name} on ${claim}`)
    .sort()
    .join();

for (const [count, seeds] of [
  [300, [881, 882, 883, 884]],
  [1_000, [881, 882]],
] as const) {
  t.test(`fault: every pod of a burst of ${count} has its place on the claims bought for it`, async (t) => {
    for (const seed of seeds) {
      const pods = podsOfBurst(burstOf(count, seed));
      const bought = purchase(pods, seed);
      const found = attributePods({ inFlight: bought.map((b) => b.launched), pods, assigned: NONE });
      t.equal(found.attributions.length, count, `seed ${seed}: ${bought.length} claims hold all pods`);
      t.equal(found.unplaced, 0);
      t.strictSame(faultsOf(found.attributions, bought), []);
    }
  });
}

t.test('pods that came after the purchase take no place of those that it was for', async (t) => {
  const at = (pod: Pod, creationTimestamp: string): Pod => ({
    ...pod,
    metadata: { ...pod.metadata, creationTimestamp },
  });
  const pods = podsOfBurst(burstOf(300, 5)).map((pod) => at(pod, '2030-01-01T00:00:00Z'));
  const bought = purchase(pods, 5);
  const later = podsOfBurst(burstOf(100, 6)).map((pod) =>
    at(
      {
        ...pod,
        metadata: { ...pod.metadata, uid: `a-${pod.metadata.uid}`, name: `later-${pod.metadata.name}` },
      },
      '2030-01-01T00:00:02Z',
    ),
  );
  const inFlight = bought.map(({ launched }) => ({
    ...launched,
    claim: {
      ...launched.claim,
      metadata: { ...launched.claim.metadata, creationTimestamp: '2030-01-01T00:00:02Z' },
    },
  }));
  const { attributions, unplaced } = attributePods({ inFlight, pods: [...later, ...pods], assigned: NONE });
  const meant = attributions.filter(({ pod }) => !pod.metadata.name.startsWith('later-'));
  t.equal(meant.length, 300);
  t.equal(unplaced, 0);
  t.strictSame(faultsOf(attributions, bought), []);
});

t.test(
  'one look sends every pod where the last one did, and any order of the lists gives the same',
  async (t) => {
    const pods = podsOfBurst(burstOf(300, 7));
    const inFlight = purchase(pods, 7).map((b) => b.launched);
    const first = attributePods({ inFlight, pods, assigned: NONE });
    const reversed = attributePods({
      inFlight: [...inFlight].reverse(),
      pods: [...pods].reverse(),
      assigned: NONE,
    });
    t.equal(placesOf(reversed), placesOf(first));
    const assigned = new Map(
      first.attributions.slice(0, 150).map(({ pod, claim }) => [pod.metadata.uid ?? '', claim]),
    );
    const again = attributePods({ inFlight, pods, assigned });
    t.equal(again.attributions.length, 300, 'those that are not pinned yet still have a place');
    for (const { pod, claim } of again.attributions) {
      const before = assigned.get(pod.metadata.uid ?? '');
      if (before !== undefined) t.equal(claim, before);
    }
  },
);

t.test('pods that keep each other off share no machine, however tight the machines are', async (t) => {
  const apart: Partial<PodSpec> = {
    affinity: {
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { labelSelector: { matchLabels: { app: 'apart' } }, topologyKey: 'kubernetes.io/hostname' },
        ],
      },
    },
  };
  const pods = podsOfBurst(burstOf(150, 9));
  const bought = purchase(pods, 9);
  // One of them in the place of one of the pods of three claims, with the same requests.
  const replaced = new Set(bought.slice(0, 3).map((b) => b.pods[0]?.metadata.name));
  const mixed = pods.map((pod) => {
    const { name } = pod.metadata;
    if (!replaced.has(name)) return pod;
    const made = makePod(name, { app: 'apart', spec: apart });
    return { ...pod, metadata: made.metadata, spec: { ...pod.spec, ...apart } };
  });
  const found = attributePods({ inFlight: bought.map((b) => b.launched), pods: mixed, assigned: NONE });
  t.equal(found.attributions.length, 150);
  t.strictSame(faultsOf(found.attributions, bought), []);
  const claims = found.attributions
    .filter(({ pod }) => pod.metadata.labels?.app === 'apart')
    .map(({ claim }) => claim);
  t.equal(claims.length, 3);
  t.equal(new Set(claims).size, 3, 'each on another machine');
});

t.test('pods count from when kube-scheduler found no node for them, as for Karpenter', async (t) => {
  const all = podsOfBurst(burstOf(300, 5));
  // Every third pod of the same second was looked at too late for the purchase.
  const early = all.filter((_, i) => i % 3 !== 0);
  const bought = purchase(early, 5);
  const pods = all.map((pod, i): Pod => {
    const lastTransitionTime = i % 3 === 0 ? '2030-01-01T00:00:05Z' : '2030-01-01T00:00:01Z';
    return {
      ...pod,
      metadata: { ...pod.metadata, creationTimestamp: '2030-01-01T00:00:00Z' },
      status: { conditions: [{ type: 'PodScheduled', status: 'False', lastTransitionTime }] },
    };
  });
  const inFlight = bought.map(({ launched: { claim, budget, node } }) => ({
    budget,
    node,
    claim: { ...claim, metadata: { ...claim.metadata, creationTimestamp: '2030-01-01T00:00:02Z' } },
  }));
  const { attributions, unplaced } = attributePods({ inFlight, pods, assigned: NONE });
  const names = new Set(early.map(({ metadata }) => metadata.name));
  t.equal(attributions.filter(({ pod }) => names.has(pod.metadata.name)).length, early.length);
  t.equal(unplaced, 0);
  t.strictSame(faultsOf(attributions, bought), []);
});

t.test('pods that no assignment has a place for are counted', async (t) => {
  const pods = podsOfBurst(burstOf(60, 11));
  const bought = purchase(pods, 11);
  const lost = bought.slice(1);
  const largest = pods.map((pod, i) =>
    i < 3 ? makePod(pod.metadata.name, { cpu: 15_000, memory: 512 }) : pod,
  );
  const found = attributePods({ inFlight: lost.map((b) => b.launched), pods: largest, assigned: NONE });
  t.ok(found.unplaced > 0, `${found.unplaced} pods without a place`);
  t.strictSame(faultsOf(found.attributions, lost), []);
});
