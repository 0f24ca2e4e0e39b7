import fc from 'fast-check';
import { applyPatch } from 'rfc6902';
import t from 'tap';
import { PIN, PIN_GATE, PIN_HELD, PIN_NODE } from '../api/labels.ts';
import type { Pod } from '../api/objects.ts';
import type { TakeReply, TakeRequest } from '../api/pinning.ts';
import { createLogger } from '../kube/component/log.ts';
import { webhookServer } from './server.ts';

const log = createLogger({ component: 'webhook', level: 'silent' });
const NONE: TakeReply = { nodeName: '', intentId: '', plan: '', way: '', reason: 'no slot' };
const SLOT: TakeReply = { nodeName: 'node-1', intentId: 'pin/1', plan: 'plan', way: 'assign', reason: '' };

const HELD: TakeReply = { ...SLOT, way: 'hold' };

const asked: TakeRequest[] = [];
let reply: TakeReply | Error = SLOT;
const outcomes: string[] = [];
const server = webhookServer({
  log,
  admission: {
    ownNamespace: 'castai-agent',
    isMoved: (uid) => uid === 'moved',
    isCoexisting: (namespace) => namespace === 'shared',
    take: async (request) => {
      asked.push(request);
      if (reply instanceof Error) throw reply;
      return reply;
    },
    log,
    observe: (outcome) => outcomes.push(outcome),
  },
});
t.teardown(() => server.app.close());
t.beforeEach(() => {
  asked.length = 0;
  reply = SLOT;
});

interface Shape {
  readonly owner?: string;
  readonly kind?: string;
  readonly metadata?: object;
  readonly spec?: object;
}

const pod = ({ owner = 'moved', kind = 'ReplicaSet', metadata, spec }: Shape = {}): Pod =>
  ({
    metadata: {
      generateName: 'web-',
      ...(owner
        ? { ownerReferences: [{ apiVersion: 'v1', kind, name: 'web', uid: owner, controller: true }] }
        : {}),
      ...metadata,
    },
    spec: { containers: [{ name: 'main' }], ...spec },
  }) as unknown as Pod;

const review = (object: Pod, request: object = {}, apiVersion = 'admission.k8s.io/v1') => ({
  apiVersion,
  kind: 'AdmissionReview',
  request: {
    uid: 'r-1',
    operation: 'CREATE',
    resource: { group: '', version: 'v1', resource: 'pods' },
    namespace: 'work',
    object,
    ...request,
  },
});

const post = (payload: object | string) =>
  server.app.inject({
    method: 'POST',
    url: '/mutate',
    payload,
    headers: { 'content-type': 'application/json' },
  });

interface Response {
  readonly apiVersion: string;
  readonly response: { readonly uid: string; readonly allowed: boolean; readonly patch?: string };
}

const patched = (object: Pod, body: Response): Pod => {
  const copy = structuredClone(object);
  const patch = body.response.patch;
  if (patch) {
    const errors = applyPatch(copy, JSON.parse(Buffer.from(patch, 'base64').toString())).filter(Boolean);
    if (errors.length > 0) throw errors[0];
  }
  return copy;
};

t.test('a pod of a running plan is put on its node and marked', async (t) => {
  for (const metadata of [{}, { annotations: { mine: 'yes' } }]) {
    const object = pod({ metadata });
    const answer = await post(review(object));
    const body = answer.json<Response>();
    t.match(body, { apiVersion: 'admission.k8s.io/v1', response: { uid: 'r-1', allowed: true } });
    const result = patched(object, body);
    t.equal(result.spec.nodeName, 'node-1');
    t.equal(result.metadata.annotations?.[PIN], 'pin/1');
    t.same(
      { ...result.metadata.annotations, [PIN]: undefined },
      { ...metadata.annotations, [PIN]: undefined },
    );
  }
  t.match(asked[0], { requestUid: 'r-1', namespace: 'work', ownerUid: 'moved', ownerKind: 'ReplicaSet' });
  t.equal(
    (await post(review(pod()))).body,
    (await post(review(pod()))).body,
    'a replay gives the same bytes',
  );
});

t.test('v1beta1 is answered in v1beta1', async (t) => {
  const body = (await post(review(pod(), {}, 'admission.k8s.io/v1beta1'))).json<Response>();
  t.equal(body.apiVersion, 'admission.k8s.io/v1beta1');
});

const untouched: readonly (readonly [string, Pod, object])[] = [
  ['an owner that no plan moves', pod({ owner: 'other' }), {}],
  ['no controller', pod({ owner: '' }), {}],
  ['a DaemonSet', pod({ kind: 'DaemonSet' }), {}],
  ['a static pod of a Node', pod({ kind: 'Node' }), {}],
  ['a mirror pod', pod({ metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' } } }), {}],
  ['a pod that has its node', pod({ spec: { nodeName: 'mine' } }), {}],
  ['a pod with gates', pod({ spec: { schedulingGates: [{ name: 'g' }] } }), {}],
  ['a pod made with our gate', pod({ spec: { schedulingGates: [{ name: PIN_GATE }] } }), {}],
  ['kube-system', pod(), { namespace: 'kube-system' }],
  ['our own namespace', pod(), { namespace: 'castai-agent' }],
  ['a dry run', pod(), { dryRun: true }],
  ['an update', pod(), { operation: 'UPDATE' }],
  ['a subresource', pod(), { subResource: 'binding' }],
  ['another resource', pod(), { resource: { group: 'apps', resource: 'pods' } }],
];
for (const [what, object, request] of untouched) {
  t.test(`${what}: untouched, and nobody is asked`, async (t) => {
    const body = (await post(review(object, request))).json<Response>();
    t.same(body.response, { uid: 'r-1', allowed: true });
    t.equal(asked.length, 0);
  });
}

const lost: readonly (readonly [string, TakeReply | Error])[] = [
  ['no slot is free', NONE],
  ['the pod can be pinned later only', { ...SLOT, way: 'nominate' }],
  ['nobody leads', new Error('nobody holds the Lease')],
];
for (const [what, answer] of lost) {
  t.test(`${what}: the pod is allowed as it came`, async (t) => {
    reply = answer;
    const body = (await post(review(pod()))).json<Response>();
    t.same(body.response, { uid: 'r-1', allowed: true });
  });
}

t.test('a pin of ours that another webhook made unfit is moved, or taken back', async (t) => {
  const pinned = pod({
    metadata: { annotations: { [PIN]: 'pin/1', mine: 'yes' } },
    spec: { nodeName: 'node-1' },
  });
  const same = (await post(review(pinned))).json<Response>();
  t.same(same.response, { uid: 'r-1', allowed: true }, 'it stays');
  reply = { ...SLOT, nodeName: 'node-2', intentId: 'pin/2' };
  const moved = patched(pinned, (await post(review(pinned))).json<Response>());
  t.equal(moved.spec.nodeName, 'node-2');
  t.equal(moved.metadata.annotations?.[PIN], 'pin/2');
  reply = { ...NONE, intentId: 'pin/1' };
  const freed = patched(pinned, (await post(review(pinned))).json<Response>());
  t.same(freed.metadata.annotations, { mine: 'yes' });
  t.notOk('nodeName' in freed.spec);
  reply = NONE;
  const foreign = (await post(review(pinned))).json<Response>();
  t.same(foreign.response, { uid: 'r-1', allowed: true }, 'a pin that we did not make is left alone');
});

t.test(
  'a pod that can not be assigned is created behind our gate, with what is needed to find its pin',
  async (t) => {
    const shapes = [
      pod(),
      pod({ metadata: { labels: { app: 'web' }, annotations: { mine: 'yes' } } }),
      pod({ metadata: { labels: {} }, spec: { schedulingGates: [] } }),
    ];
    for (const object of shapes) {
      reply = HELD;
      const held = patched(object, (await post(review(object))).json<Response>());
      t.same(held.spec.schedulingGates, [{ name: PIN_GATE }]);
      t.equal(held.spec.nodeName, undefined);
      t.same(held.metadata.labels, { ...object.metadata.labels, [PIN_HELD]: 'true' });
      t.same(held.metadata.annotations, {
        ...object.metadata.annotations,
        [PIN]: 'pin/1',
        [PIN_NODE]: 'node-1',
      });
      const again = (await post(review(held))).json<Response>();
      t.same(again.response, { uid: 'r-1', allowed: true }, 'asked again, it is left as it is');
      reply = { ...NONE, intentId: 'pin/1' };
      const freed = patched(held, (await post(review(held))).json<Response>());
      t.same(freed.spec, { containers: [{ name: 'main' }] }, 'taken back, no gate is left');
      t.same(freed.metadata.annotations ?? {}, object.metadata.annotations ?? {});
      t.same(freed.metadata.labels ?? {}, object.metadata.labels ?? {});
    }
    reply = { ...HELD, nodeName: '' };
    const unnamed = patched(pod(), (await post(review(pod()))).json<Response>());
    t.same(unnamed.metadata.annotations, { [PIN]: 'pin/1' }, 'a node without a name is not named');
  },
);

t.test('a pod that was assigned and has to be held after all gives its node back', async (t) => {
  const pinned = pod({ metadata: { annotations: { [PIN]: 'pin/1' } }, spec: { nodeName: 'node-1' } });
  reply = HELD;
  const held = patched(pinned, (await post(review(pinned))).json<Response>());
  t.notOk('nodeName' in held.spec, 'a pod with a node may have no gate');
  t.same(held.spec.schedulingGates, [{ name: PIN_GATE }]);
});

t.test('gates of others that come after ours stay when ours is taken back', async (t) => {
  const object = pod({
    metadata: { labels: { [PIN_HELD]: 'true' }, annotations: { [PIN]: 'pin/1' } },
    spec: { schedulingGates: [{ name: PIN_GATE }, { name: 'other' }] },
  });
  reply = { ...NONE, intentId: 'pin/1' };
  const freed = patched(object, (await post(review(object))).json<Response>());
  t.same(freed.spec.schedulingGates, [{ name: 'other' }]);
});

t.test('the pod pinner is told where another webhook may change the pod', async (t) => {
  await post(review(pod()));
  await post(review(pod(), { namespace: 'shared' }));
  t.same(
    asked.map(({ coexisting }) => coexisting),
    [false, true],
  );
});

const bad: readonly (readonly [string, object | string])[] = [
  ['no JSON', '{'],
  ['no review', {}],
  ['a list', []],
  ['another version', { ...review(pod()), apiVersion: 'admission.k8s.io/v2' }],
  ['no uid', review(pod(), { uid: '' })],
  ['no object that is one', review(pod(), { object: 'pod' })],
  ['too much', review(pod({ metadata: { annotations: { a: 'x'.repeat(9_000_000) } } }))],
];
for (const [what, payload] of bad) {
  t.test(`${what} is answered with 400 and a sentence`, async (t) => {
    const answer = await post(payload);
    t.equal(answer.statusCode, 400);
    t.ok(answer.json<{ message: string }>().message);
  });
}

// Each of so many runs anew, so that what is kept between them would show.
const ROUNDS = process.env.SOAK ? 100 : 1;
const BODIES = 10_000;
const MAX_GROWTH = 64 * 1024 * 1024;

t.test(`no body at all makes it fail: ${ROUNDS * BODIES} fuzzed ones, in bounded memory`, async (t) => {
  const fragment = fc.oneof(fc.jsonValue(), fc.constant(pod()), fc.constant(review(pod()).request));
  const shaped = fc.record(
    {
      apiVersion: fc.constantFrom('admission.k8s.io/v1', 'x'),
      kind: fc.constant('AdmissionReview'),
      request: fragment,
    },
    { requiredKeys: [] },
  );
  const whole = JSON.stringify(review(pod()));
  const torn = fc
    .tuple(fc.nat(whole.length), fc.nat(40), fc.string())
    .map(([at, length, other]) => whole.slice(0, at) + other + whole.slice(at + length));
  const text = fc.oneof(
    fc.oneof(fc.jsonValue(), shaped).map((value) => JSON.stringify(value)),
    torn,
  );
  const asProperty = fc.asyncProperty(text, async (body) => {
    const { statusCode } = await post(body);
    if (statusCode !== 200 && statusCode !== 400) throw new Error(`answered ${statusCode}`);
  });
  const used: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await fc.assert(asProperty, { numRuns: BODIES });
    asked.length = 0;
    outcomes.length = 0;
    used.push(process.memoryUsage().heapUsed);
  }
  // The least of many looks is what is kept: what a look in between finds may be garbage.
  const least = (from: number, to: number): number => Math.min(...used.slice(from, to));
  const growth = least(-10, Number.POSITIVE_INFINITY) - least(0, 10);
  t.comment(`heap ${used.map((bytes) => Math.round(bytes / 1e6)).join(' ')} MB`);
  t.ok(growth < MAX_GROWTH, `${growth} bytes more at the end`);
});

t.test('when it leaves, it asks its callers to leave, too', async (t) => {
  t.not((await post(review(pod()))).headers.connection, 'close');
  server.leave();
  t.equal((await post(review(pod()))).headers.connection, 'close');
});
