import t from 'tap';
import type { NodeClaimToAdd } from '../../api/kinds/rebalanceplan.ts';
import type { DaemonSet, NodePool, PodSpec, Requirement } from '../../api/objects.ts';
import { requirementsOfEach } from '../../api/plans.ts';
import type { Catalogue } from '../model/catalogue.ts';
import { verifyPlan } from '../plan/verify.ts';
import { provision } from '../provision.ts';
import { makePod, makePool, makeSnapshot } from '../testing/builders.ts';
import { machinesOf, NOW } from '../testing/smallworld.ts';

/** Claims of spot alone, and what they become where no spot can be had. */

const CAPACITY = 'karpenter.sh/capacity-type';
const onDemand = machinesOf(
  ...Array.from({ length: 12 }, (_, n) => [`m5.${n}`, 4, '16Gi', 0.2 * 1.4 ** n] as const),
);
/** Every type on spot for next to nothing: more prices of spot than a claim has alternatives come before any on demand. */
const catalogue: Catalogue = {
  instanceTypes: onDemand.instanceTypes.map((type) => ({
    ...type,
    offerings: type.offerings.flatMap((each) => [
      each,
      { ...each, capacityType: 'spot' as const, price: each.price / 100 },
    ]),
  })),
};
const poolOf = (
  values: readonly string[],
  more: readonly Requirement[] = [],
  limits?: Record<string, string>,
): NodePool => {
  const pool = makePool('default', { requirements: [{ key: CAPACITY, operator: 'In', values }, ...more] });
  return { ...pool, spec: { ...pool.spec, ...(limits && { limits }) } };
};

const claimFor = (
  pool: NodePool,
  o: { spotFallback?: boolean; spec?: Partial<PodSpec>; daemonSets?: readonly DaemonSet[] } = {},
): NodeClaimToAdd => {
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 3_000, ...(o.spec && { spec: o.spec }) })], {
    nodePools: [pool],
    daemonSets: o.daemonSets ?? [],
  });
  const { spotFallback = true } = o;
  const { plan } = provision({
    snapshot,
    catalogue,
    now: NOW,
    seed: 1,
    planName: 'plan',
    rounds: 20,
    spotFallback,
  });
  const [claim] = plan?.spec.nodeClaimsToAdd ?? [];
  if (!plan || !claim) throw new Error('there is no plan');
  const faults = verifyPlan(snapshot, catalogue, plan.spec);
  if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join(' '));
  return claim;
};
const capacityTypes = (claim: NodeClaimToAdd): string[] =>
  requirementsOfEach(claim).flatMap((requirements) =>
    requirements.flatMap(({ key, values }) => (key === CAPACITY ? [(values ?? []).join()] : [])),
  );

t.test(
  'the last alternative of a claim of spot alone is on demand, where its NodePool buys that',
  async (t) => {
    const types = capacityTypes(claimFor(poolOf(['spot', 'on-demand'])));
    t.equal(types.at(-1), 'on-demand');
    t.same([...new Set(types.slice(0, -1))], ['spot']);
    t.ok(types.length <= 8);
  },
);

t.test(
  'it is not asked for, or its NodePool or its pods want spot alone: then it stays at spot',
  async (t) => {
    const both = poolOf(['spot', 'on-demand']);
    t.notOk(capacityTypes(claimFor(both, { spotFallback: false })).includes('on-demand'));
    t.notOk(capacityTypes(claimFor(poolOf(['spot']))).includes('on-demand'));
    const spec = { nodeSelector: { [CAPACITY]: 'spot' } };
    t.notOk(capacityTypes(claimFor(both, { spec })).includes('on-demand'));
  },
);

/** A preference for nodes with all of these labels. */
const prefers = (...labels: readonly (readonly [key: string, value: string])[]): Partial<PodSpec> => {
  const matchExpressions = labels.map(([key, value]) => ({ key, operator: 'In' as const, values: [value] }));
  return {
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, preference: { matchExpressions } }],
      },
    },
  };
};

t.test('pods that only prefer spot have it, too, and what else they prefer still counts', async (t) => {
  const both = poolOf(['spot', 'on-demand']);
  const types = capacityTypes(claimFor(both, { spec: prefers([CAPACITY, 'spot']) }));
  t.equal(types.at(-1), 'on-demand');
  t.same([...new Set(types.slice(0, -1))], ['spot']);
  const type = 'node.kubernetes.io/instance-type';
  const spec = prefers([CAPACITY, 'spot'], [type, 'm5.7']);
  const claim = claimFor(both, { spec });
  t.equal(capacityTypes(claim).at(-1), 'on-demand');
  t.same(
    requirementsOfEach(claim)
      .at(-1)
      ?.flatMap(({ key, values }) => (key === type ? values : [])),
    ['m5.7'],
  );
  t.notOk(capacityTypes(claimFor(both, { spec, spotFallback: false })).includes('on-demand'));
});

t.test('pods for whom a DaemonSet leaves no place on demand stay at spot', async (t) => {
  const port = { containerPort: 80, hostPort: 8080 };
  const containers = [{ name: 'main', resources: { requests: { cpu: '3' } }, ports: [port] }];
  const spec = { ...prefers([CAPACITY, 'spot']), containers };
  const daemonSet = {
    kind: 'DaemonSet',
    metadata: { name: 'agent', namespace: 'kube-system' },
    spec: {
      template: {
        spec: {
          nodeSelector: { [CAPACITY]: 'on-demand' },
          containers: [{ name: 'agent', ports: [port] }],
        },
      },
    },
  };
  const both = poolOf(['spot', 'on-demand']);
  t.equal(capacityTypes(claimFor(both, { spec })).at(-1), 'on-demand');
  t.notOk(capacityTypes(claimFor(both, { spec, daemonSets: [daemonSet] })).includes('on-demand'));
});

t.test('a claim that has on-demand alternatives anyhow is as before', async (t) => {
  const few = poolOf(
    ['spot', 'on-demand'],
    [{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['m5.0'] }],
  );
  t.same(claimFor(few), claimFor(few, { spotFallback: false }));
});

t.test('minValues and limits hold for it, too', async (t) => {
  const minValues = [{ key: 'node.kubernetes.io/instance-type', operator: 'Exists' as const, minValues: 3 }];
  const claim = claimFor(poolOf(['spot', 'on-demand'], minValues, { cpu: '4' }));
  t.equal(capacityTypes(claim).at(-1), 'on-demand');
  const types = claim.alternatives?.at(-1)?.requirements.find(({ key }) => /instance-type/.test(key));
  t.ok((types?.values?.length ?? 0) >= 3);
});
