import { applyPatch } from 'rfc6902';
import t from 'tap';
import { PIN, POD_DELETION_COST, SPOT, SPOT_PERCENTAGE, SPOT_PLACE } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { SpotRules } from '../../api/spotpods/rules.ts';
import { createTestServer, makeReview, makeWebPod, type ReviewResponse } from '../testing/reviews.ts';

const TYPE = 'karpenter.sh/capacity-type';
const RULES: SpotRules = { mode: 'preferred', rules: [{ namespaces: ['work'], percentage: 60 }] };
const { server, sides, post } = createTestServer();
t.teardown(() => server.app.close());
t.beforeEach(() => {
  sides.requests.length = 0;
  sides.outcomes.length = 0;
  sides.rules = RULES;
  sides.reply = { side: 'spot', index: 1, reason: '' };
});

/** The pod as the API server stores it after the webhook's patch. */
const mutated = async (pod: Pod, request: object = {}): Promise<Pod> => {
  const { response } = (await post(makeReview(pod, request), '/spot')).json<ReviewResponse>();
  t.equal(response.allowed, true);
  const copy = structuredClone(pod);
  if (response.patch) {
    const errors = applyPatch(copy, JSON.parse(Buffer.from(response.patch, 'base64').toString())).filter(
      Boolean,
    );
    if (errors.length > 0) throw errors[0];
  }
  return copy;
};

const web = (o: Parameters<typeof makeWebPod>[0] = {}): Pod =>
  makeWebPod({ ...o, metadata: { labels: { 'pod-template-hash': 'abc' }, ...o.metadata } });

t.test('a pod of a workload with a share is counted by the leader, and prefers spot', async (t) => {
  const pod = await mutated(web());
  t.same(pod.spec.tolerations, [{ key: SPOT, operator: 'Exists' }]);
  t.match(pod.spec.affinity?.nodeAffinity, {
    preferredDuringSchedulingIgnoredDuringExecution: [
      { preference: { matchExpressions: [{ key: TYPE, operator: 'In', values: ['spot'] }] } },
    ],
  });
  t.same(pod.metadata.annotations, { [SPOT_PLACE]: 'spot-1', [POD_DELETION_COST]: '-3' });
  t.same(sides.requests, [
    {
      requestUid: 'r-1',
      namespace: 'work',
      ownerKind: 'ReplicaSet',
      ownerName: 'web',
      ownerUid: 'moved',
      spotPercentage: 60,
      labelSelector: 'pod-template-hash=abc',
    },
  ]);
});

t.test('a pod for on-demand must not run on spot', async (t) => {
  sides.reply = { side: 'on-demand', index: 0, reason: '' };
  const pod = await mutated(web());
  t.equal(pod.spec.tolerations, undefined);
  t.match(pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution, {
    nodeSelectorTerms: [{ matchExpressions: [{ key: TYPE, operator: 'NotIn', values: ['spot'] }] }],
  });
  t.equal(pod.metadata.annotations?.[POD_DELETION_COST], '0');
});

t.test('in the mode required, pods for spot wait for it', async (t) => {
  sides.rules = { ...RULES, mode: 'required' };
  const pod = await mutated(web());
  t.match(pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution, {
    nodeSelectorTerms: [{ matchExpressions: [{ key: TYPE, operator: 'In', values: ['spot'] }] }],
  });
});

t.test('all or none need no count, and no order in which pods go', async (t) => {
  for (const [percentage, place] of [
    ['100', 'spot-0'],
    ['0', 'on-demand-0'],
  ] as const) {
    const pod = await mutated(web({ metadata: { annotations: { [SPOT_PERCENTAGE]: percentage } } }));
    t.same(pod.metadata.annotations, { [SPOT_PERCENTAGE]: percentage, [SPOT_PLACE]: place });
  }
  t.same(sides.requests, []);
});

t.test('pods with numbers of their own go by them, whoever leads', async (t) => {
  sides.reply = new Error('no leader');
  const sideOf = async (index: number): Promise<string | undefined> => {
    const labels = { 'apps.kubernetes.io/pod-index': String(index) };
    const pod = await mutated(makeWebPod({ kind: 'StatefulSet', metadata: { labels } }));
    return pod.metadata.annotations?.[SPOT_PLACE]?.replace(/-\d+$/, '');
  };
  const all = await Promise.all([0, 1, 2, 3, 4].map(sideOf));
  t.same(all, ['on-demand', 'spot', 'on-demand', 'spot', 'spot']);
  t.same(sides.requests, []);
});

t.test('a cost that the pod has already stays', async (t) => {
  const pod = await mutated(web({ metadata: { annotations: { [POD_DELETION_COST]: '7' } } }));
  t.equal(pod.metadata.annotations?.[POD_DELETION_COST], '7');
});

const untouched: readonly (readonly [string, () => void, Pod, object])[] = [
  ['there is no leader', () => (sides.reply = new Error('no leader')), web(), {}],
  ["its siblings can't be counted", () => (sides.reply = { side: '', index: 0, reason: 'x' }), web(), {}],
  ['no rules are in force', () => (sides.rules = undefined), web(), {}],
  ['the request is a dry run', () => {}, web(), { dryRun: true }],
  ['it is in another namespace', () => {}, web(), { namespace: 'other' }],
  ['it is updated', () => {}, web(), { operation: 'UPDATE' }],
  ['it has a node', () => {}, web({ spec: { nodeName: 'n' } }), {}],
];
for (const [sentence, arrange, pod, request] of untouched) {
  t.test(`a pod passes untouched when ${sentence}`, async (t) => {
    arrange();
    t.same(await mutated(pod, request), pod);
  });
}

t.test('asked again, as the pinning webhook has given the pod a node, nothing changes', async (t) => {
  const first = await mutated(web());
  const pinned = {
    ...first,
    metadata: { ...first.metadata, annotations: { ...first.metadata.annotations, [PIN]: 'pin/1' } },
    spec: { ...first.spec, nodeName: 'node-1' },
  };
  t.same(await mutated(pinned), pinned);
  t.equal(sides.requests.length, 1);
});

t.test('a wish of another webhook, which came after ours, wins', async (t) => {
  for (const side of ['spot', 'on-demand'] as const) {
    sides.reply = { side, index: 0, reason: '' };
    const first = await mutated(web());
    const theirs = {
      ...first,
      spec: {
        ...first.spec,
        nodeSelector: { [SPOT]: 'true' },
        tolerations: [...(first.spec.tolerations ?? []), { key: SPOT, operator: 'Exists' as const }],
      },
    };
    const second = await mutated(theirs);
    t.equal(second.spec.affinity, undefined, `the wish for ${side} is taken back`);
    t.ok(second.spec.tolerations?.some(({ key }) => key === SPOT));
    t.equal(second.metadata.annotations?.[SPOT_PLACE], undefined);
  }
  t.same(sides.outcomes, ['spot', 'taken-back', 'on-demand', 'taken-back']);
});

t.test(
  'attack: a template with our annotation, and without the wish, is counted like any other',
  async (t) => {
    const pod = await mutated(web({ metadata: { annotations: { [SPOT_PLACE]: 'spot-999999' } } }));
    t.equal(pod.metadata.annotations?.[SPOT_PLACE], 'spot-1');
  },
);

t.test('attack: a label that is none selects no pods of others', async (t) => {
  await mutated(makeWebPod({ metadata: { labels: { 'pod-template-hash': 'a,app=other' } } }));
  t.equal(sides.requests[0]?.labelSelector, '');
});

t.test('attack: a stranger who knows no path is not asked for a side', async (t) => {
  for (const url of [
    '/spot',
    '/mutate/spot',
    '/mutate/guess/spot',
    '/mutate/known-to-the-api-server/spot/',
  ]) {
    const { statusCode } = await server.app.inject({
      method: 'POST',
      url,
      payload: JSON.stringify(makeReview(web())),
      headers: { 'content-type': 'application/json' },
    });
    t.equal(statusCode, 404, url);
  }
  t.same(sides.requests, []);
  t.equal((await post('{', '/spot')).statusCode, 400);
  t.equal((await post({}, '/spot')).statusCode, 400);
});
