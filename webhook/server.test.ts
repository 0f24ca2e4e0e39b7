import fc from 'fast-check';
import t from 'tap';
import { createTestServer, makeReview, makeWebPod } from './testing/reviews.ts';

const { server, pinner, requests, templateKeys, outcomes, post } = createTestServer();
pinner.reply = { nodeName: 'node-1', intentId: 'pin/1', plan: 'plan', way: 'assign', reason: '' };
t.teardown(() => server.app.close());

t.test('attack: a stranger who does not know the secret path gets no slot of anyone', async (t) => {
  for (const url of ['/mutate', '/mutate/', '/mutate/guess', '/', '/mutate?timeout=3s', '//mutate']) {
    const { statusCode } = await server.app.inject({
      method: 'POST',
      url,
      payload: JSON.stringify(makeReview(makeWebPod())),
      headers: { 'content-type': 'application/json' },
    });
    t.equal(statusCode, 404, url);
  }
  t.same(requests, [], 'no slot was asked for');
});

t.test('the API server, which appends its timeout to the path, is answered', async (t) => {
  t.equal((await post(makeReview(makeWebPod()))).statusCode, 200);
  t.equal(requests.splice(0).length, 1);
});

const invalid: readonly (readonly [string, object | string])[] = [
  ['a body that is not JSON', '{'],
  ['an object that is not a review', {}],
  ['a list', []],
  ['another version', { ...makeReview(makeWebPod()), apiVersion: 'admission.k8s.io/v2' }],
  ['a review without a uid', makeReview(makeWebPod(), { uid: '' })],
  ['a review whose object is a string', makeReview(makeWebPod(), { object: 'pod' })],
  [
    'a body over the limit',
    makeReview(makeWebPod({ metadata: { annotations: { a: 'x'.repeat(9_000_000) } } })),
  ],
];
for (const [what, payload] of invalid) {
  t.test(`${what} is answered with 400 and a message`, async (t) => {
    const response = await post(payload);
    t.equal(response.statusCode, 400);
    t.ok(response.json<{ message: string }>().message);
  });
}

// With SOAK, many rounds show memory that is kept between them.
const ROUNDS = process.env.SOAK ? 100 : 1;
const BODIES = 10_000;
const MAX_GROWTH_BYTES = 64 * 1024 * 1024;

t.test(`${ROUNDS * BODIES} fuzzed bodies are answered with 200 or 400, in bounded memory`, async (t) => {
  const review = makeReview(makeWebPod());
  const fragment = fc.oneof(fc.jsonValue(), fc.constant(makeWebPod()), fc.constant(review.request));
  const reviewLike = fc.record(
    {
      apiVersion: fc.constantFrom('admission.k8s.io/v1', 'x'),
      kind: fc.constant('AdmissionReview'),
      request: fragment,
    },
    { requiredKeys: [] },
  );
  const valid = JSON.stringify(review);
  const corrupted = fc
    .tuple(fc.nat(valid.length), fc.nat(40), fc.string())
    .map(([start, length, text]) => valid.slice(0, start) + text + valid.slice(start + length));
  const text = fc.oneof(
    fc.oneof(fc.jsonValue(), reviewLike).map((value) => JSON.stringify(value)),
    corrupted,
  );
  const property = fc.asyncProperty(text, async (body) => {
    const { statusCode } = await post(body);
    if (statusCode !== 200 && statusCode !== 400) throw new Error(`answered ${statusCode}`);
  });
  const heapBytes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await fc.assert(property, { numRuns: BODIES });
    for (const list of [requests, templateKeys, outcomes]) list.length = 0;
    heapBytes.push(process.memoryUsage().heapUsed);
  }
  // The minimum of several measurements leaves garbage out.
  const minimum = (from: number, to?: number): number => Math.min(...heapBytes.slice(from, to));
  const growth = minimum(-10) - minimum(0, 10);
  t.comment(`heap ${heapBytes.map((bytes) => Math.round(bytes / 1e6)).join(' ')} MB`);
  t.ok(growth < MAX_GROWTH_BYTES, `the heap grew by ${growth} bytes`);
});

t.test('a draining server closes connections after the answer', async (t) => {
  t.not((await post(makeReview(makeWebPod()))).headers.connection, 'close');
  server.startDraining();
  t.equal((await post(makeReview(makeWebPod()))).headers.connection, 'close');
});
