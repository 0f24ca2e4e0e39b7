import { applyPatch } from 'rfc6902';
import t from 'tap';
import { PIN, PIN_GATE, PIN_HELD, PIN_NODE, PIN_PROBE } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { TakeReply } from '../api/pinning.ts';
import {
  createTestServer,
  makeReview,
  makeWebPod,
  OWN_NAMESPACE,
  type ReviewResponse,
} from './testing/reviews.ts';

const NO_SLOT: TakeReply = { nodeName: '', intentId: '', plan: '', way: '', reason: 'no slot' };
const ASSIGN: TakeReply = { nodeName: 'node-1', intentId: 'pin/1', plan: 'plan', way: 'assign', reason: '' };
const HOLD: TakeReply = { ...ASSIGN, way: 'hold' };
const ALLOWED = { uid: 'r-1', allowed: true };

const { server, pinner, requests, templateKeys, outcomes, post } = createTestServer();
t.teardown(() => server.app.close());
t.beforeEach(() => {
  for (const list of [requests, templateKeys, outcomes]) list.length = 0;
  pinner.reply = ASSIGN;
});

const respond = async (pod: Pod, request: object = {}): Promise<ReviewResponse> =>
  (await post(makeReview(pod, request))).json<ReviewResponse>();

/** The pod as the API server stores it after the webhook's patch. */
const mutated = async (pod: Pod, request: object = {}): Promise<Pod> => {
  const copy = structuredClone(pod);
  const { patch } = (await respond(pod, request)).response;
  if (patch) {
    const errors = applyPatch(copy, JSON.parse(Buffer.from(patch, 'base64').toString())).filter(Boolean);
    if (errors.length > 0) throw errors[0];
  }
  return copy;
};

t.test('a pod of a running plan is assigned to its node and marked', async (t) => {
  for (const annotations of [undefined, { mine: 'yes' }]) {
    const pod = makeWebPod({ metadata: { ...(annotations && { annotations }) } });
    t.match(await respond(pod), { apiVersion: 'admission.k8s.io/v1', response: ALLOWED });
    const result = await mutated(pod);
    t.equal(result.spec.nodeName, 'node-1');
    t.same(result.metadata.annotations, { ...annotations, [PIN]: 'pin/1' });
  }
  t.match(requests[0], { requestUid: 'r-1', namespace: 'work', ownerUid: 'moved', ownerKind: 'ReplicaSet' });
  t.equal(outcomes[0], 'pinned');
  const replays = [await post(makeReview(makeWebPod())), await post(makeReview(makeWebPod()))];
  t.equal(replays[0]?.body, replays[1]?.body, 'a replay is answered with the same bytes');
});

t.test('v1beta1 is answered in v1beta1', async (t) => {
  const response = await post(makeReview(makeWebPod(), {}, 'admission.k8s.io/v1beta1'));
  t.equal(response.json<ReviewResponse>().apiVersion, 'admission.k8s.io/v1beta1');
});

const skipped: readonly (readonly [string, Pod, object])[] = [
  ['a pod whose owner no plan moves', makeWebPod({ owner: 'other' }), {}],
  ['a pod in our own namespace', makeWebPod(), { namespace: OWN_NAMESPACE }],
  ['a dry run', makeWebPod(), { dryRun: true }],
  ['an update', makeWebPod(), { operation: 'UPDATE' }],
  ['a subresource', makeWebPod(), { subResource: 'binding' }],
  ['another resource', makeWebPod(), { resource: { group: 'apps', resource: 'pods' } }],
];
for (const [what, pod, request] of skipped) {
  t.test(`${what} passes unchanged, and no slot is taken`, async (t) => {
    t.same((await respond(pod, request)).response, ALLOWED);
    t.equal(requests.length, 0);
    t.same(outcomes, ['passed']);
  });
}

const refusals: readonly (readonly [string, TakeReply | Error, string])[] = [
  ['no slot is free', NO_SLOT, 'refused'],
  ['the pod can only be nominated', { ...ASSIGN, way: 'nominate' }, 'refused'],
  ['the slot is on a node without a name', { ...ASSIGN, nodeName: '' }, 'refused'],
  ['no pod pinner leads', new Error('no pod pinner holds the Lease'), 'failed'],
];
for (const [what, reply, outcome] of refusals) {
  t.test(`${what}: the pod is allowed unchanged`, async (t) => {
    pinner.reply = reply;
    t.same((await respond(makeWebPod())).response, ALLOWED);
    t.same(outcomes, [outcome]);
  });
}

t.test('a pinned pod that another webhook changed is moved or unpinned', async (t) => {
  const pinned = makeWebPod({
    metadata: { annotations: { [PIN]: 'pin/1', mine: 'yes' } },
    spec: { nodeName: 'node-1' },
  });
  t.same((await respond(pinned)).response, ALLOWED, 'it stays');
  t.same(templateKeys, [undefined], 'prefetched slots are for new pods alone');
  pinner.reply = { ...ASSIGN, nodeName: 'node-2', intentId: 'pin/2' };
  const moved = await mutated(pinned);
  t.equal(moved.spec.nodeName, 'node-2');
  t.equal(moved.metadata.annotations?.[PIN], 'pin/2');
  pinner.reply = { ...NO_SLOT, intentId: 'pin/1' };
  const unpinned = await mutated(pinned);
  t.same(unpinned.metadata.annotations, { mine: 'yes' });
  t.notOk('nodeName' in unpinned.spec);
  pinner.reply = NO_SLOT;
  t.same((await respond(pinned)).response, ALLOWED, 'a pin of someone else is left alone');
});

t.test('a held pod is created behind our gate, and stays so when it is reviewed again', async (t) => {
  const pod = makeWebPod({ metadata: { annotations: { mine: 'yes' } } });
  pinner.reply = HOLD;
  const held = await mutated(pod);
  t.same(held.spec.schedulingGates, [{ name: PIN_GATE }]);
  t.same(held.metadata.labels, { [PIN_HELD]: 'true' });
  t.same(held.metadata.annotations, { mine: 'yes', [PIN]: 'pin/1', [PIN_NODE]: 'node-1' });
  t.same((await respond(held)).response, ALLOWED);
  pinner.reply = { ...NO_SLOT, intentId: 'pin/1' };
  t.same((await mutated(held)).spec, pod.spec, 'unpinned, it has no gate left');
});

t.test('attack: a probe pod learns no id of an intent, and in another namespace nothing', async (t) => {
  const probe = makeWebPod({ metadata: { labels: { [PIN_PROBE]: 'x' } } });
  const request = { namespace: OWN_NAMESPACE, dryRun: true };
  pinner.reply = { ...NO_SLOT, intentId: 'pin/7' };
  t.same((await mutated(probe, request)).metadata.annotations, { [PIN]: 'known' });
  t.match(requests, [{ dryRun: true }]);
  t.same(outcomes, ['passed']);
  t.same((await respond(probe, { namespace: OWN_NAMESPACE })).response, ALLOWED, 'no dry run, no probe');
  requests.length = 0;
  t.same((await respond(probe, { namespace: 'attacker', dryRun: true })).response, ALLOWED);
  t.same(requests, [], 'the pod pinner is not asked');
});

t.test('the pod pinner learns whether another webhook may change the pod', async (t) => {
  await respond(makeWebPod());
  await respond(makeWebPod(), { namespace: 'shared' });
  t.same(
    requests.map(({ coexisting }) => coexisting),
    [false, true],
  );
  t.same(
    templateKeys.map((key) => key !== undefined),
    [true, false],
    'prefetched slots suit no pod that may still change',
  );
});
