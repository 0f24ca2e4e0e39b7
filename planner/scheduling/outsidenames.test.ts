import fc from 'fast-check';
import t from 'tap';
import type { Node, Pod, SelectorRequirement } from '../../api/objects.ts';
import { type ClusterView, fits, nodeInfoOf } from './fit.ts';

/**
 * Every name means what any other means: what is decided with a name that objects inherit, or whose assignment changes
 * their prototype, is what is decided with a plain one.
 */

const PLAIN = 'plain';
const NAMES = Object.getOwnPropertyNames(Object.prototype);

const name = fc.constantFrom(...NAMES);
const value = fc.constantFrom('a', 'b', '1', '3');
const maybe = fc.option(value, { nil: undefined });
const operator = fc.constantFrom('In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt');

/** A record with an own value at the key; an empty one without a value. */
const recordOf = <V>(key: string, own: V | undefined): Record<string, V> =>
  Object.fromEntries(own === undefined ? [] : [[key, own]]);

interface Labelled {
  readonly labels?: Record<string, string>;
}

const podOf = (podName: string, spec: object, { labels = {} }: Labelled = {}): Pod =>
  ({
    metadata: { name: podName, namespace: 'default', uid: podName, labels: { app: 'x', ...labels } },
    spec: { containers: [{ name: 'c' }], ...spec },
  }) as Pod;

const nodeOf = (nodeName: string, labels: Record<string, string>, more: object = {}): Node =>
  ({
    metadata: { name: nodeName, labels },
    status: { allocatable: { cpu: '4', memory: '8Gi', pods: '10' } },
    ...more,
  }) as Node;

const sameForEveryName = <T>(
  arbitrary: fc.Arbitrary<T>,
  decide: (key: string, given: T) => string | undefined,
): void =>
  fc.assert(
    fc.property(name, arbitrary, (key, given) => {
      const [plain, own] = [decide(PLAIN, given), decide(key, given)];
      if (plain !== own) throw new Error(`${key}: ${own ?? 'fits'}, ${PLAIN}: ${plain ?? 'fits'}`);
    }),
    { numRuns: 400, seed: 13 },
  );

const codeOf = (pod: Pod, node: Node): string | undefined => fits(pod, nodeInfoOf(node, []))?.code;

const clusterOf = (nodes: readonly Node[], pods: readonly (readonly Pod[])[]): ClusterView => ({
  nodes: nodes.map((node, n) => nodeInfoOf(node, pods[n] ?? [])),
  namespaces: new Map([['default', {}]]),
});

const codesOn = (pod: Pod, cluster: ClusterView): string =>
  cluster.nodes.map((node) => fits(pod, node, cluster)?.code ?? 'fits').join(' ');

t.test('a node selector by any name means the label', async () => {
  sameForEveryName(fc.record({ wanted: value, label: maybe }), (key, { wanted, label }) =>
    codeOf(podOf('p', { nodeSelector: recordOf(key, wanted) }), nodeOf('n', recordOf(key, label))),
  );
});

t.test('node affinity by any name means the label', async () => {
  sameForEveryName(
    fc.record({ operator, wanted: value, label: maybe }),
    (key, { operator, wanted, label }) => {
      const isUnary = operator === 'Exists' || operator === 'DoesNotExist';
      const requirement = { key, operator, ...(!isUnary && { values: [wanted] }) } as SelectorRequirement;
      const required = { nodeSelectorTerms: [{ matchExpressions: [requirement] }] };
      const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } };
      return codeOf(podOf('p', { affinity }), nodeOf('n', recordOf(key, label)));
    },
  );
});

t.test('pod affinity over any topology key means the domains of that label', async () => {
  const given = fc.record({
    side: fc.constantFrom('podAffinity', 'podAntiAffinity'),
    labels: fc.tuple(maybe, maybe),
    isThere: fc.boolean(),
  });
  sameForEveryName(given, (key, { side, labels, isThere }) => {
    const nodes = labels.map((label, n) => nodeOf(`n${n}`, recordOf(key, label)));
    const term = { topologyKey: key, labelSelector: { matchLabels: { app: 'x' } } };
    const affinity = { [side]: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
    // The rule is the arriving pod's, or that of a pod which is there.
    const [there, arriving] = isThere ? [{ affinity }, {}] : [{}, { affinity }];
    return codesOn(podOf('p', arriving), clusterOf(nodes, [[podOf('q', there)]]));
  });
});

t.test("a pod selector by any name means the pods' label", async () => {
  const given = fc.record({
    unary: fc.constantFrom('Exists', 'DoesNotExist'),
    field: fc.constantFrom('matchExpressions', 'matchLabelKeys', 'mismatchLabelKeys'),
    mine: maybe,
    theirs: maybe,
  });
  sameForEveryName(given, (key, { unary, field, mine, theirs }) => {
    const isKeys = field !== 'matchExpressions';
    const term = {
      topologyKey: 'zone',
      labelSelector: isKeys ? {} : { matchExpressions: [{ key, operator: unary }] },
      ...(isKeys && { [field]: [key] }),
    };
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
    const pod = podOf('p', { affinity }, { labels: recordOf(key, mine) });
    const other = podOf('q', {}, { labels: recordOf(key, theirs) });
    return codesOn(pod, clusterOf([nodeOf('n', { zone: 'a' })], [[other]]));
  });
});

t.test('a spread constraint by any name means the label', async () => {
  const given = fc.record({
    labels: fc.tuple(maybe, maybe),
    mine: maybe,
    theirs: maybe,
    isTopology: fc.boolean(),
  });
  sameForEveryName(given, (key, { labels, mine, theirs, isTopology }) => {
    const nodes = labels.map((label, n) => nodeOf(`n${n}`, { zone: `z${n}`, ...recordOf(key, label) }));
    const constraint = {
      maxSkew: 1,
      topologyKey: isTopology ? key : 'zone',
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'x' } },
      ...(!isTopology && { matchLabelKeys: [key] }),
    };
    const pod = podOf('p', { topologySpreadConstraints: [constraint] }, { labels: recordOf(key, mine) });
    const other = podOf('q', {}, { labels: recordOf(key, theirs) });
    return codesOn(pod, clusterOf(nodes, [[other]]));
  });
});

t.test('a taint by any name is tolerated by its own toleration', async () => {
  const given = fc.record({ isTolerated: fc.boolean(), operator: fc.constantFrom('Exists', 'Equal') });
  sameForEveryName(given, (key, { isTolerated, operator }) => {
    const toleration = {
      key: isTolerated ? key : 'other',
      operator,
      ...(operator === 'Equal' && { value: 'a' }),
    };
    const taint = { key, value: 'a', effect: 'NoSchedule' };
    return codeOf(podOf('p', { tolerations: [toleration] }), nodeOf('n', {}, { spec: { taints: [taint] } }));
  });
});

t.test('a resource by any name is counted', async () => {
  const given = fc.record({
    wanted: fc.constantFrom('1', '2'),
    there: fc.constantFrom('0', '1', '2', undefined),
  });
  sameForEveryName(given, (key, { wanted, there }) => {
    const containers = [{ name: 'c', resources: { requests: recordOf(key, wanted) } }];
    const allocatable = { cpu: '4', memory: '8Gi', pods: '10', ...recordOf(key, there) };
    return codeOf(podOf('p', { containers }), nodeOf('n', {}, { status: { allocatable } }));
  });
});
