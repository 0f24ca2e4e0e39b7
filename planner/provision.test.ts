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

t.test('room on existing nodes is used before any node is bought', async (t) => {
  const { plan: found } = plan(makeSnapshot([makeNode('a')], [makePod('p')]));
  t.same(found?.spec.nodeClaimsToAdd, []);
  t.match(found?.spec.podsToMigrate, [{ name: 'p', srcNode: '', dstNodeClaimName: 'claim-a' }]);
});

t.test('a pod that no type fits is named with the reason, and the others are planned', async (t) => {
  const result = plan(makeSnapshot([], [makePod('huge', { cpu: 90_000 }), makePod('small')]));
  t.match(result.unplaced, [{ name: 'huge', reason: 'no instance type that it may use has enough cpu' }]);
  t.equal(result.plan?.spec.podsToMigrate?.length, 1);
});

t.test('a claim names several types, the cheapest first, and only types that hold its pods', async (t) => {
  const snapshot = makeSnapshot([], [makePod('p', { cpu: 1500, memory: 1024 })]);
  const result = plan(snapshot).plan;
  const claim = result?.spec.nodeClaimsToAdd?.[0];
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
    'alternatives are in the order of price',
  );
  t.ok(prices.length > 1);
});

t.test('a NodePool does not grow past its limits', async (t) => {
  const pool = { ...makePool(), spec: { ...makePool().spec, limits: { cpu: '4' } } };
  const pods = Array.from({ length: 6 }, (_, n) => makePod(`p-${n}`, { cpu: 1500, memory: 1000 }));
  const result = plan(makeSnapshot([], pods, { nodePools: [pool] }));
  const cpus = (result.plan?.savings.greenNodes ?? []).reduce((sum, node) => sum + node.milliCPU, 0);
  t.ok(cpus <= 4000, `${cpus} millicores`);
  t.ok(result.unplaced.length >= 4);
});

t.test('the heavier NodePool is used until its limit, then the other', async (t) => {
  const heavy = makePool('heavy');
  const pools = [makePool(), { ...heavy, spec: { ...heavy.spec, weight: 10, limits: { cpu: '2' } } }];
  const pods = Array.from({ length: 3 }, (_, n) => makePod(`p-${n}`, { cpu: 1500, memory: 1000 }));
  const result = plan(makeSnapshot([], pods, { nodePools: pools }));
  const names = result.plan?.spec.nodeClaimsToAdd?.map(
    (each) => each.metadata.labels?.['karpenter.sh/nodepool'],
  );
  t.equal(result.unplaced.length, 0);
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
  const result = plan(snapshot).plan;
  const zone = result?.spec.nodeClaimsToAdd?.[0]?.spec.requirements.find(
    (each) => each.key === 'topology.kubernetes.io/zone',
  );
  t.same(zone?.values, ['us-west-2c']);
  t.same(result && verifyPlan(snapshot, smallCatalogue, result.spec), []);
});

t.test('an open label gets the value that the pods select', async (t) => {
  const pool = makePool('teams', { requirements: [{ key: 'team', operator: 'In', values: ['a', 'b'] }] });
  const pods = ['a', 'b'].map((team) => makePod(`p-${team}`, { spec: { nodeSelector: { team } } }));
  const snapshot = makeSnapshot([], pods, { nodePools: [pool] });
  const result = plan(snapshot).plan;
  const teams = result?.spec.nodeClaimsToAdd?.map(
    (each) => each.spec.requirements.find((r) => r.key === 'team')?.values,
  );
  t.same(teams?.flat().sort(), ['a', 'b']);
  t.same(result && verifyPlan(snapshot, smallCatalogue, result.spec), []);
});

t.test('pods are not planned ahead of a zone that can take none of them', async (t) => {
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
  // A cordoned node makes the zone a domain, and it counts as empty.
  const cordoned = makeNode('b', { zone: 'us-west-2b' });
  const node = { ...cordoned.node, spec: { ...cordoned.node.spec, unschedulable: true } };
  const pods = Array.from({ length: 6 }, (_, n) => makePod(`p-${n}`, { spec }));
  const snapshot = makeSnapshot([{ ...cordoned, node }], pods, { nodePools: [pool] });
  const result = plan(snapshot);
  t.equal(result.unplaced.length, 4);
  t.same(result.plan && verifyPlan(snapshot, smallCatalogue, result.plan.spec), []);
});

t.test('a node is filled before the turn of its zone when pods for the other zones follow', async (t) => {
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
  const result = plan(snapshot);
  // Three c5.large, one per zone, each with three pods.
  t.equal(result.plan?.spec.nodeClaimsToAdd?.length, 3);
  t.same(result.plan && verifyPlan(snapshot, smallCatalogue, result.plan.spec), []);
});
