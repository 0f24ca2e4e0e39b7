import t from 'tap';
import { KARPENTER_CAPACITY_TYPE, SPOT } from '../../../api/labels.ts';
import type { NodePool, PodSpec } from '../../../api/objects.ts';
import { requirementsOfEach } from '../../../api/plans.ts';
import { makeNode, makePool } from '../../../planner/testing/builders.ts';
import { smallCatalogue } from '../../../planner/testing/randomcluster.ts';
import { fallbackNodes } from '../../mustgo/fallback.ts';
import type { Policies } from '../../policies/settings.ts';
import { BUYING, UnscheduledWorld } from '../../testing/unscheduledworld.ts';

/** Which capacity is bought for pods that ask for spot: seed 002. */

const poolOf = (
  capacityTypes: readonly string[],
  labels: Readonly<Record<string, string>> = {},
): NodePool => {
  const pool = makePool();
  const { template } = pool.spec;
  const requirements = template.spec.requirements.map((each) =>
    each.key === KARPENTER_CAPACITY_TYPE ? { ...each, values: [...capacityTypes] } : each,
  );
  return {
    ...pool,
    spec: {
      ...pool.spec,
      template: { ...template, metadata: { labels }, spec: { ...template.spec, requirements } },
    },
  };
};
const BOTH = ['on-demand', 'spot'];

/** On demand for less than spot, so that price alone would never buy spot. */
const DEAR_SPOT = {
  ...smallCatalogue,
  instanceTypes: smallCatalogue.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.map((each) =>
      each.capacityType === 'spot' ? { ...each, price: each.price * 5, available: true } : each,
    ),
  })),
};
const SPOT_POLICY: Policies = {
  ...BUYING,
  spotInstances: { interruptionTolerance: 'costEfficient', backups: undefined, diversity: undefined },
};

/** The capacity types of what is bought for each pod that kube-scheduler has refused. */
const boughtFor = async (world: UnscheduledWorld, policies: Policies): Promise<Record<string, string>> => {
  const { cycle } = world.process();
  for (let n = 0; n < 3; n += 1) await cycle(policies);
  const bought: Record<string, string> = {};
  for (const { spec } of world.plans()) {
    for (const { name, dstNodeClaimName } of spec.podsToMigrate ?? []) {
      const claim = spec.nodeClaimsToAdd?.find(({ metadata }) => metadata.name === dstNodeClaimName);
      const requirement = claim?.spec.requirements.find(({ key }) => key === KARPENTER_CAPACITY_TYPE);
      bought[name] = [...(requirement?.values ?? [])].sort().join();
    }
  }
  return bought;
};

const required = (
  ...terms: readonly (readonly [string, 'Exists' | 'In', ...string[]])[]
): NonNullable<PodSpec['affinity']> => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: {
      nodeSelectorTerms: terms.map(([key, operator, ...values]) => ({
        matchExpressions: [{ key, operator, ...(values.length > 0 && { values }) }],
      })),
    },
  },
});

const ASKING: readonly (readonly [
  says: string,
  pod: { readonly labels?: Record<string, string>; readonly spec?: Partial<PodSpec> },
])[] = [
  ['by a label', { labels: { [SPOT]: 'true' } }],
  ['by a toleration', { spec: { tolerations: [{ key: SPOT, operator: 'Exists' }] } }],
  ['by a selector', { spec: { nodeSelector: { [SPOT]: 'true' } } }],
  ['by a required node affinity', { spec: { affinity: required([SPOT, 'In', 'true']) } }],
];

for (const [says, pod] of ASKING) {
  t.test(`seed 002: pods that ask for spot ${says} are bought onto spot`, async (t) => {
    const world = new UnscheduledWorld([poolOf(BOTH, { [SPOT]: 'true' })]);
    world.catalogue = DEAR_SPOT;
    world.refuse(1, { prefix: 'asking', ...pod });
    t.same(await boughtFor(world, SPOT_POLICY), { 'asking-0': 'spot' });
  });

  t.test(`a pod that asks for spot ${says} has a node where none can be had`, async (t) => {
    const world = new UnscheduledWorld([poolOf(['on-demand'], { [SPOT]: 'true' })]);
    world.refuse(1, { prefix: 'asking', ...pod });
    t.same(await boughtFor(world, SPOT_POLICY), { 'asking-0': 'on-demand' });
  });
}

/** Every spot offering sold out. */
const NO_SPOT = {
  ...smallCatalogue,
  instanceTypes: smallCatalogue.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.map((each) =>
      each.capacityType === 'spot' ? { ...each, available: false } : each,
    ),
  })),
};
const MINUTE = 60_000;
const WITH_BACKUPS: Policies = {
  ...BUYING,
  spotInstances: {
    interruptionTolerance: 'costEfficient',
    backups: { restoreEveryMs: 30 * MINUTE },
    diversity: undefined,
  },
};
const TOLERATING: Partial<PodSpec> = { tolerations: [{ key: SPOT, operator: 'Exists' }] };

t.test('seed 002: while there is no spot a fallback node is bought, and marked as one', async (t) => {
  const pool = poolOf(BOTH);
  const world = new UnscheduledWorld([pool]);
  world.catalogue = NO_SPOT;
  world.refuse(2, { prefix: 'asking', spec: TOLERATING });
  t.same(await boughtFor(world, WITH_BACKUPS), { 'asking-0': 'on-demand', 'asking-1': 'on-demand' });
  // The machine that Karpenter launches for it, with the pods that it was bought for.
  const { node, claim } = makeNode('backup', { capacityType: 'on-demand' });
  const { unlabelled } = fallbackNodes(30 * MINUTE, {
    machines: [{ node, claim, pool, pods: world.pods() }],
    plans: world.plans(),
    refusals: new Map(),
    now: world.now,
  });
  t.same(
    unlabelled.map(({ metadata }) => metadata.name),
    ['backup'],
  );
});

t.test('seed 002: spot that runs out at the order has a fallback node as its last attempt', async (t) => {
  const typesOf = async (policies: Policies): Promise<readonly string[]> => {
    const world = new UnscheduledWorld([poolOf(BOTH)]);
    world.refuse(1, { prefix: 'asking', spec: TOLERATING });
    t.same(await boughtFor(world, policies), { 'asking-0': 'spot' });
    return world
      .plans()
      .flatMap(({ spec }) => spec.nodeClaimsToAdd ?? [])
      .flatMap(requirementsOfEach)
      .flatMap((requirements) => requirements.filter(({ key }) => key === KARPENTER_CAPACITY_TYPE))
      .flatMap(({ values = [] }) => values);
  };
  const attempts = await typesOf(WITH_BACKUPS);
  t.equal(attempts.at(-1), 'on-demand');
  t.same([...new Set(attempts.slice(0, -1))], ['spot'], 'after every attempt with spot');
  t.notOk((await typesOf(SPOT_POLICY)).includes('on-demand'), 'without spotBackups there is none');
});

t.test('what a pod that does not ask gets is decided by the price', async (t) => {
  const world = new UnscheduledWorld([poolOf(BOTH)]);
  world.catalogue = DEAR_SPOT;
  world.refuse(1, { prefix: 'other' });
  t.same(await boughtFor(world, SPOT_POLICY), { 'other-0': 'on-demand' });
});

t.test('without the policy spotInstances the price decides', async (t) => {
  const world = new UnscheduledWorld([poolOf(BOTH)]);
  world.catalogue = DEAR_SPOT;
  world.refuse(1, { prefix: 'asking', labels: { [SPOT]: 'true' } });
  t.same(await boughtFor(world, BUYING), { 'asking-0': 'on-demand' });
});

t.test('a pod that selects spot where no NodePool gives that label is told so', async (t) => {
  const world = new UnscheduledWorld([poolOf(BOTH)]);
  world.refuse(1, { prefix: 'asking', spec: { nodeSelector: { [SPOT]: 'true' } } });
  t.same(await boughtFor(world, SPOT_POLICY), {});
  t.match(world.events[0], /^NoNodeWouldHelp asking-0: .*scheduling\.cast\.ai\/spot/);
});
