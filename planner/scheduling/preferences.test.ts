import t from 'tap';
import type { PodSpec } from '../../api/objects.ts';
import { provision } from '../provision.ts';
import { rebalance } from '../rebalance.ts';
import { makeNode, makePod, makeSnapshot } from '../testing/builders.ts';
import { smallCatalogue } from '../testing/randomcluster.ts';
import type { Preferences } from './preferences.ts';

const ZONE = 'topology.kubernetes.io/zone';

const spread: Partial<PodSpec> = {
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: { app: 'web' } },
    },
  ],
};

const prefers = (key: string, value: string): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key, operator: 'In', values: [value] }] } },
      ],
    },
  },
});

const provisioned = (spec: Partial<PodSpec>, preferences?: Preferences, count = 2) =>
  provision({
    snapshot: makeSnapshot(
      [],
      Array.from({ length: count }, (_, n) => makePod(`p${n}`, { cpu: 300, memory: 256, spec })),
    ),
    catalogue: smallCatalogue,
    now: 0,
    seed: 1,
    planName: 'p',
    rounds: 50,
    ...(preferences && { preferences }),
  });

const valuesOf = (made: ReturnType<typeof provisioned>, key: string): string[] =>
  (made.plan?.spec.nodeClaimsToAdd ?? []).flatMap(
    (claim) => claim.spec.requirements.find((each) => each.key === key)?.values ?? [],
  );

t.test('pods that prefer to be apart come apart, unless preferences are ignored', (t) => {
  for (const [preferences, claims] of [
    [undefined, 2],
    ['Respect', 2],
    ['Ignore', 1],
  ] as const) {
    const made = provisioned(spread, preferences);
    t.same(made.unplaced, []);
    t.equal(made.plan?.spec.nodeClaimsToAdd?.length, claims, preferences ?? 'left out');
  }
  t.end();
});

const podTerm = (side: 'podAffinity' | 'podAntiAffinity', app: string): Partial<PodSpec> => ({
  affinity: {
    [side]: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        {
          weight: 10,
          podAffinityTerm: {
            topologyKey: 'kubernetes.io/hostname',
            labelSelector: { matchLabels: { app } },
          },
        },
      ],
    },
  },
});

t.test(
  'pods that would rather not share a node get nodes of their own, unless preferences are ignored',
  (t) => {
    const apart = podTerm('podAntiAffinity', 'web');
    t.equal(provisioned(apart).plan?.spec.nodeClaimsToAdd?.length, 2);
    t.equal(provisioned(apart, 'Ignore').plan?.spec.nodeClaimsToAdd?.length, 1);
    t.end();
  },
);

t.test('a pod that would rather be beside another is placed without it when there is none', (t) => {
  const made = provisioned(podTerm('podAffinity', 'nobody'));
  t.same(made.unplaced, []);
  t.equal(made.plan?.spec.nodeClaimsToAdd?.length, 1);
  t.end();
});

t.test('a rebalance keeps pods apart that would rather be, where they are so today', (t) => {
  const spec = podTerm('podAntiAffinity', 'web');
  const nodes = ['a', 'b', 'c'].map((name) => makeNode(name));
  const on = (name: string, node: string) => makePod(name, { cpu: 300, memory: 256, node, spec });
  const ask = (pods: readonly ReturnType<typeof on>[], preferences: Preferences) => {
    const { plan } = rebalance({
      snapshot: makeSnapshot(nodes, pods),
      catalogue: smallCatalogue,
      now: Date.parse('2026-06-01T00:00:00Z'),
      seed: 1,
      planName: 'p',
      rounds: 200,
      preferences,
    });
    return 3 + (plan?.spec.nodeClaimsToAdd?.length ?? 0) - (plan?.spec.nodeClaimsToDelete?.length ?? 0);
  };
  const apart = [on('p', 'a'), on('q', 'b'), on('r', 'c')];
  t.equal(ask(apart, 'Respect'), 3);
  t.equal(ask(apart, 'Ignore'), 1);
  t.equal(
    ask([on('p', 'a'), on('q', 'a')], 'Respect'),
    1,
    'a preference that is not met today is not required',
  );
  t.end();
});

t.test('a preferred type is bought, though another is cheaper', (t) => {
  const key = 'node.kubernetes.io/instance-type';
  const dear = prefers(key, 'm5.large');
  t.same(valuesOf(provisioned(dear), key), ['m5.large']);
  t.ok(valuesOf(provisioned(dear, 'Ignore'), key).includes('c5.large'));
  t.end();
});

t.test('a preference for a node by its name says nothing of the machine to buy', (t) => {
  const key = 'node.kubernetes.io/instance-type';
  const dear = {
    weight: 1,
    preference: { matchExpressions: [{ key, operator: 'In' as const, values: ['m5.large'] }] },
  };
  const named = {
    weight: 100,
    preference: {
      matchFields: [{ key: 'metadata.name', operator: 'In' as const, values: ['of-an-earlier-plan'] }],
    },
  };
  const nodeAffinity = { preferredDuringSchedulingIgnoredDuringExecution: [named, dear] };
  t.same(valuesOf(provisioned({ affinity: { nodeAffinity } }), key), ['m5.large']);
  t.end();
});

t.test('a preference that nothing meets gives way before the pod does', (t) => {
  const made = provisioned(prefers(ZONE, 'nowhere'), 'Respect');
  t.same(made.unplaced, []);
  t.equal(made.plan?.spec.podsToMigrate?.length, 2);
  // Labels meet the preference, but no such machine is large enough: the plan is made again without it.
  const large = provision({
    snapshot: makeSnapshot(
      [],
      [
        makePod('p', {
          cpu: 3000,
          memory: 1024,
          spec: prefers('node.kubernetes.io/instance-type', 'c5.large'),
        }),
      ],
    ),
    catalogue: smallCatalogue,
    now: 0,
    seed: 1,
    planName: 'p',
    rounds: 50,
  });
  t.same(large.unplaced, []);
  t.equal(large.plan?.spec.podsToMigrate?.length, 1);
  t.end();
});

t.test('a rebalance keeps preferences that are met today', (t) => {
  const nodes = ['a', 'b'].map((name) => makeNode(name, { zone: `us-west-2${name}` }));
  const pods = ['a', 'b'].map((node) => makePod(`p-${node}`, { cpu: 300, memory: 256, node, spec: spread }));
  const ask = (preferences: Preferences) =>
    rebalance({
      snapshot: makeSnapshot(nodes, pods),
      catalogue: smallCatalogue,
      now: Date.parse('2026-06-01T00:00:00Z'),
      seed: 1,
      planName: 'p',
      rounds: 200,
      preferences,
    });
  const nodesAfter = (made: ReturnType<typeof ask>): number =>
    2 + (made.plan?.spec.nodeClaimsToAdd?.length ?? 0) - (made.plan?.spec.nodeClaimsToDelete?.length ?? 0);
  t.equal(nodesAfter(ask('Ignore')), 1);
  t.equal(nodesAfter(ask('Respect')), 2);
  t.end();
});

t.test('preferences give way even when the time budget is used up', (t) => {
  let ticks = 0;
  const made = provision({
    snapshot: makeSnapshot(
      [],
      ['p', 'q'].map((name) =>
        makePod(name, {
          cpu: 3000,
          memory: 1024,
          spec: prefers('node.kubernetes.io/instance-type', 'c5.large'),
        }),
      ),
    ),
    catalogue: smallCatalogue,
    now: 0,
    seed: 1,
    planName: 'p',
    timeBudgetMs: 1,
    clock: () => (ticks += 100),
  });
  t.same(made.unplaced, []);
  t.equal(made.plan?.spec.podsToMigrate?.length, 2);
  t.end();
});
