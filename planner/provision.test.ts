import t from 'tap';
import { verifyPlan } from './plan/verify.ts';
import { provision } from './provision.ts';
import { makeNode, makePod, makePool, makeSnapshot } from './testing/builders.ts';
import { smallCatalogue } from './testing/randomcluster.ts';

const plan = (snapshot: ReturnType<typeof makeSnapshot>) =>
  provision({ snapshot, catalogue: smallCatalogue, now: 0, seed: 1, planName: 'p', rounds: 50 });

const zoneIn = (values: readonly string[]) => ({
  matchExpressions: [{ key: 'topology.kubernetes.io/zone', operator: 'In' as const, values }],
});

t.test('room that stands is used before any node is bought', async (t) => {
  const { plan: made } = plan(makeSnapshot([makeNode('a')], [makePod('p')]));
  t.same(made?.spec.nodeClaimsToAdd, []);
  t.match(made?.spec.podsToMigrate, [{ name: 'p', srcNode: '', dstNodeClaimName: 'claim-a' }]);
});

t.test('a pod that no type fits is named with the reason, and the rest is planned', async (t) => {
  const made = plan(makeSnapshot([], [makePod('huge', { cpu: 90_000 }), makePod('small')]));
  t.match(made.unplaced, [{ name: 'huge', reason: 'no instance type that it may use has enough cpu' }]);
  t.equal(made.plan?.spec.podsToMigrate?.length, 1);
});

t.test('a claim names several types, the cheapest first, and only such as hold its pods', async (t) => {
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 1500, memory: 1024 })]);
  const made = plan(snapshot).plan;
  const claim = made?.spec.nodeClaimsToAdd?.[0];
  const types = claim?.spec.requirements.find((each) => each.key === 'node.kubernetes.io/instance-type');
  t.same(types?.values, ['c5.large', 'm5.large']);
  t.match(claim?.metadata, {
    name: 'p-1',
    labels: { 'karpenter.sh/nodepool': 'default', 'karpenter.k8s.aws/ec2nodeclass': 'default' },
    annotations: { 'karpenter.sh/nodepool-hash': '123', 'karpenter.sh/nodepool-hash-version': 'v3' },
  });
  const prices = claim?.alternatives?.map((each) => Number(each.priceHourly)) ?? [];
  t.same(
    prices,
    [...prices].sort((a, b) => a - b),
    'what to try next is in the order of price',
  );
  t.ok(prices.length > 1);
});

t.test('a NodePool does not grow past its limits', async (t) => {
  const pool = { ...makePool(), spec: { ...makePool().spec, limits: { cpu: '4' } } };
  const pods = Array.from({ length: 6 }, (_, n) => makePod(`p-${n}`, { cpu: 1500, memory: 1000 }));
  const made = plan(makeSnapshot([], pods, { nodePools: [pool] }));
  const cpus = (made.plan?.savings.greenNodes ?? []).reduce((sum, node) => sum + node.milliCPU, 0);
  t.ok(cpus <= 4000, `${cpus} millicores`);
  t.ok(made.unplaced.length >= 4);
});

t.test('the heavier NodePool is used until its limit, then the other', async (t) => {
  const heavy = makePool('heavy');
  const pools = [makePool(), { ...heavy, spec: { ...heavy.spec, weight: 10, limits: { cpu: '2' } } }];
  const pods = Array.from({ length: 3 }, (_, n) => makePod(`p-${n}`, { cpu: 1500, memory: 1000 }));
  const made = plan(makeSnapshot([], pods, { nodePools: pools }));
  const names = made.plan?.spec.nodeClaimsToAdd?.map(
    (each) => each.metadata.labels?.['karpenter.sh/nodepool'],
  );
  t.equal(made.unplaced.length, 0);
  t.equal(names?.filter((name) => name === 'heavy').length, 1);
  t.ok(names?.includes('default'));
});

t.test('a pod follows its bound volume to the zone', async (t) => {
  const pod = makePod('p', {
    spec: { volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] },
  });
  const snapshot = makeSnapshot([makeNode('a', { zone: 'us-west-2a' })], [pod], {
    persistentVolumeClaims: [
      { metadata: { name: 'data', namespace: 'default' }, spec: { volumeName: 'pv' } },
    ],
    persistentVolumes: [
      {
        metadata: { name: 'pv' },
        spec: { nodeAffinity: { required: { nodeSelectorTerms: [zoneIn(['us-west-2c'])] } } },
      },
    ],
  });
  const made = plan(snapshot).plan;
  const zone = made?.spec.nodeClaimsToAdd?.[0]?.spec.requirements.find(
    (each) => each.key === 'topology.kubernetes.io/zone',
  );
  t.same(zone?.values, ['us-west-2c']);
  t.same(made && verifyPlan(snapshot, smallCatalogue, made.spec), []);
});

t.test('a value of an open label is picked as the pods ask for it', async (t) => {
  const pool = makePool('teams', { requirements: [{ key: 'team', operator: 'In', values: ['a', 'b'] }] });
  const pods = ['a', 'b'].map((team) => makePod(`p-${team}`, { spec: { nodeSelector: { team } } }));
  const snapshot = makeSnapshot([], pods, { nodePools: [pool] });
  const made = plan(snapshot).plan;
  const teams = made?.spec.nodeClaimsToAdd?.map(
    (each) => each.spec.requirements.find((r) => r.key === 'team')?.values,
  );
  t.same(teams?.flat().sort(), ['a', 'b']);
  t.same(made && verifyPlan(snapshot, smallCatalogue, made.spec), []);
});

t.test('pods are not spread ahead of a zone that can take none of them', async (t) => {
  const spec = {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule' as const,
        labelSelector: { matchLabels: { app: 'web' } },
      },
    ],
  };
  const pool = makePool('default', {
    requirements: [
      { key: 'topology.kubernetes.io/zone', operator: 'In', values: ['us-west-2a', 'us-west-2c'] },
    ],
  });
  // The zone is there, by a node that is cordoned, and counts as empty.
  const cordoned = makeNode('b', { zone: 'us-west-2b' });
  const node = { ...cordoned.node, spec: { ...cordoned.node.spec, unschedulable: true } };
  const pods = Array.from({ length: 6 }, (_, n) => makePod(`p-${n}`, { spec }));
  const snapshot = makeSnapshot([{ ...cordoned, node }], pods, { nodePools: [pool] });
  const made = plan(snapshot);
  t.equal(made.unplaced.length, 4);
  t.same(made.plan && verifyPlan(snapshot, smallCatalogue, made.plan.spec), []);
});

t.test('a node is filled before its zone has its turn, when the other zones follow', async (t) => {
  const spec = {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'topology.kubernetes.io/zone',
        whenUnsatisfiable: 'DoNotSchedule' as const,
        labelSelector: { matchLabels: { app: 'web' } },
      },
    ],
  };
  const pods = Array.from({ length: 9 }, (_, n) => makePod(`p-${n}`, { cpu: 600, memory: 1000, spec }));
  const snapshot = makeSnapshot([], pods);
  const made = plan(snapshot);
  // Three c5.large, one a zone, each with three pods.
  t.equal(made.plan?.spec.nodeClaimsToAdd?.length, 3);
  t.same(made.plan && verifyPlan(snapshot, smallCatalogue, made.plan.spec), []);
});
