import fc from 'fast-check';
import t from 'tap';
import { PIN } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { Change } from '../../kube/cache/cache.ts';
import { createScene, OWNER, podOf, START } from '../testing/scene.ts';
import type { AssumedPod } from './assumedpods.ts';

const assumedOf = (uid: string, more: Partial<AssumedPod> = {}): AssumedPod => ({
  uid,
  nodeName: 'node',
  intentId: 'pin/node',
  ownerUid: OWNER,
  pod: podOf(uid),
  isGrant: false,
  until: START + 1_000,
  ...more,
});

/** A pod that the webhook assigned to a node at its creation. */
const assigned = (name: string, nodeName: string): Pod => {
  const pod = podOf(name, { nodeName });
  return { ...pod, metadata: { ...pod.metadata, annotations: { [PIN]: 'pin/node' } } };
};

const grant = (uid: string, nodeName = 'node'): AssumedPod => assumedOf(uid, { isGrant: true, nodeName });

const CASES: readonly (readonly [string, readonly AssumedPod[], Change<Pod>, readonly string[]])[] = [
  [
    'a pod that shows up on its node is forgotten',
    [assumedOf('a')],
    { type: 'update', object: podOf('a', { nodeName: 'node' }), old: podOf('a') },
    [],
  ],
  [
    'a pod that still waits stays assumed',
    [assumedOf('a')],
    { type: 'update', object: podOf('a'), old: podOf('a') },
    ['a'],
  ],
  ['a deleted pod is forgotten', [assumedOf('a')], { type: 'delete', object: podOf('a') }, []],
  [
    'an assigned pod takes the oldest grant of its intent on its node',
    [grant('elsewhere', 'other'), grant('first'), grant('second')],
    { type: 'add', object: assigned('a', 'node') },
    ['elsewhere', 'second'],
  ],
  [
    'a gated pod takes the oldest grant of its intent on any node',
    [grant('first', 'other'), grant('second')],
    { type: 'add', object: podOf('a', { gatedFor: 'pin/node' }) },
    ['second'],
  ],
  [
    'a pod of another intent takes no grant',
    [grant('first')],
    { type: 'add', object: podOf('a', { gatedFor: 'pin/other' }) },
    ['first'],
  ],
  [
    'an update takes no grant',
    [grant('first')],
    { type: 'update', object: assigned('a', 'node'), old: podOf('a') },
    ['first'],
  ],
];

for (const [sentence, assumed, change, expected] of CASES) {
  t.test(sentence, async (t) => {
    const { assumedPods } = createScene();
    for (const pod of assumed) assumedPods.assume(pod);
    assumedPods.observe(change);
    t.same(
      assumedPods.ofOwner(OWNER).map(({ uid }) => uid),
      expected,
    );
  });
}

t.test('renewing starts the same lifetime anew', async (t) => {
  const { assumedPods, advance } = createScene();
  assumedPods.assume(assumedOf('a'));
  advance(900);
  assumedPods.renew('a');
  advance(900);
  t.ok(assumedPods.has('a'));
  advance(100);
  t.notOk(assumedPods.has('a'));
});

t.test('an intent is avoided until its time has passed', async (t) => {
  const { assumedPods, advance } = createScene();
  assumedPods.avoid('pin/node', START + 1_000);
  t.ok(assumedPods.isAvoided('pin/node'));
  t.notOk(assumedPods.isAvoided('pin/other'));
  advance(1_000);
  t.notOk(assumedPods.isAvoided('pin/node'));
});

type Op =
  | {
      readonly kind: 'assume';
      readonly uid: string;
      readonly at: number;
      readonly ttl: number;
      readonly isGrant: boolean;
    }
  | { readonly kind: 'forget'; readonly uid: string }
  | { readonly kind: 'renew'; readonly uid: string }
  | { readonly kind: 'wait'; readonly ms: number };

const uid = fc.nat(9).map(String);
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('assume' as const),
      uid,
      at: fc.nat(2),
      ttl: fc.constantFrom(100, 1_000, 30_000),
      isGrant: fc.boolean(),
    }),
    fc.record({ kind: fc.constant('forget' as const), uid }),
    fc.record({ kind: fc.constant('renew' as const), uid }),
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(1_500) }),
  ),
  { maxLength: 60 },
);

const uidsOf = (pods: readonly AssumedPod[]): readonly string[] => pods.map((pod) => pod.uid).sort();

t.test('what was assumed and neither forgotten nor expired is found, and nothing else', async () => {
  fc.assert(
    fc.property(ops, (steps) => {
      const { assumedPods, advance } = createScene();
      const model = new Map<string, { pod: AssumedPod; ttl: number; until: number }>();
      let now = START;
      const same = (what: string, found: unknown, expected: unknown): void => {
        if (JSON.stringify(found) === JSON.stringify(expected)) return;
        throw new Error(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`);
      };
      for (const step of steps) {
        if (step.kind === 'assume') {
          const { at, ttl, isGrant } = step;
          const until = now + ttl;
          const names = { nodeName: `node-${at}`, intentId: `pin/${at}`, ownerUid: `owner-${at}` };
          const pod = assumedOf(step.uid, { ...names, isGrant, until });
          assumedPods.assume(pod);
          model.set(step.uid, { pod, ttl, until });
        } else if (step.kind === 'forget') {
          assumedPods.forget(step.uid);
          model.delete(step.uid);
        } else if (step.kind === 'renew') {
          assumedPods.renew(step.uid);
          const entry = model.get(step.uid);
          if (entry) entry.until = now + entry.ttl;
        } else {
          advance(step.ms);
          now += step.ms;
          for (const [key, { until }] of model) if (until <= now) model.delete(key);
        }
        const pods = [...model.values()];
        for (const at of [0, 1, 2]) {
          const here = pods.filter(({ pod }) => pod.nodeName === `node-${at}`).map(({ pod }) => pod);
          same('on the node', uidsOf(assumedPods.onNode(`node-${at}`)), uidsOf(here));
          same('of the owner', uidsOf(assumedPods.ofOwner(`owner-${at}`)), uidsOf(here));
          const hasGrant = here.some(({ isGrant }) => isGrant);
          same('a grant', assumedPods.grantOf(`pin/${at}`, undefined) !== undefined, hasGrant);
        }
        const next = Math.min(...pods.map(({ until }) => until));
        same('next expiry', assumedPods.nextExpiry() ?? null, Number.isFinite(next) ? next : null);
      }
    }),
    { numRuns: 300, seed: 11 },
  );
});
