import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { CONFIG_MAPS, PODS } from '../../api/resources.ts';
import { isNotFound, isUnserved, type Status } from '../errors.ts';
import { getIfServed, getOrUndefined, ignoreNotFound, ignoreUnserved } from '../ignore.ts';
import { kubeErrorOf } from '../testing/kubeerror.ts';
import { connect } from './client.ts';

/** What a 404 says: that an object is missing, that its kind is not served, or nothing, since somebody else answers. */

interface Answer {
  readonly body: Status | string;
  /** Whether it carries what an API server writes onto each of its answers. */
  readonly isOfApiServer: boolean;
}

/** One server; each namespace has answers of its own, of which the last one stays. */
const scenes: { readonly answers: readonly Answer[]; asked: number }[] = [];
const sceneOf = (namespace: string) => scenes[Number(namespace.slice(1))];
const scene = (...answers: readonly Answer[]): string => `n${scenes.push({ answers, asked: 0 }) - 1}`;
const askedIn = (namespace: string): number => sceneOf(namespace)?.asked ?? 0;

const server = createServer((request, response) => {
  const found = sceneOf(/\/namespaces\/(n\d+)/.exec(request.url ?? '')?.[1] ?? '');
  const answer = found?.answers[Math.min(found.asked++, found.answers.length - 1)];
  if (!answer) return response.writeHead(500).end();
  const isText = typeof answer.body === 'string';
  const head = { ...(answer.isOfApiServer && { 'audit-id': '6e1f' }) };
  response.writeHead(404, { 'content-type': isText ? 'text/plain' : 'application/json', ...head });
  const status = { kind: 'Status', apiVersion: 'v1', code: 404 };
  return response.end(isText ? answer.body : JSON.stringify({ ...status, ...(answer.body as Status) }));
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const file = join(t.testdir(), 'config');
writeFileSync(
  file,
  JSON.stringify({
    clusters: [
      { name: 'c', cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } },
    ],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    users: [{ name: 'u', user: {} }],
    'current-context': 'x',
  }),
);
const client = connect({ kubeconfig: file, userAgent: 'absence' });
t.teardown(() => {
  client.close();
  server.closeAllConnections();
  server.close();
});

const missing = (name: string, kind: string): Status => ({
  reason: 'NotFound',
  message: `${kind} "${name}" not found`,
  details: { name, kind },
});
const NO_ANSWERS: readonly (readonly [string, Answer])[] = [
  ['a page of a proxy', { body: '<html><h1>404 Not Found</h1></html>', isOfApiServer: false }],
  ['the page of a load balancer', { body: 'default backend - 404', isOfApiServer: false }],
  ['the page of a Go server', { body: '404 page not found\n', isOfApiServer: false }],
  ['nothing', { body: '', isOfApiServer: false }],
  ['JSON of a gateway', { body: '{"message":"no Route matched"}', isOfApiServer: false }],
];
const ABOUT_OTHERS: readonly (readonly [string, Answer])[] = [
  ['another pod', { body: missing('other', 'pods'), isOfApiServer: true }],
  ['another kind', { body: missing('web', 'nodes'), isOfApiServer: true }],
  ['another namespace', { body: missing('other', 'namespaces'), isOfApiServer: true }],
  ['a name without a reason', { body: { details: { name: 'web', kind: 'pods' } }, isOfApiServer: false }],
  ['a Status without a name', { body: { reason: 'NotFound', details: {} }, isOfApiServer: false }],
];
const UNSERVED: readonly Answer[] = [
  { body: '404 page not found\n', isOfApiServer: true },
  {
    body: { reason: 'NotFound', message: 'the server could not find the requested resource', details: {} },
    isOfApiServer: true,
  },
];

const requests = (namespace: string): Readonly<Record<string, () => Promise<unknown>>> => {
  const ref = { name: 'web', namespace };
  const pod = { metadata: ref, spec: { containers: [] } };
  return {
    get: () => client.get(PODS, ref),
    patch: () => client.patch(PODS, ref, { metadata: { labels: {} } }),
    apply: () => client.apply(PODS, { metadata: ref }, { fieldManager: 'test', force: true }),
    replace: () => client.replace(PODS, pod),
    delete: () => client.delete(PODS, ref),
    evict: () => client.evict({ ...ref, uid: 'u' }),
  };
};
const get = (namespace: string) => client.get(PODS, { name: 'web', namespace });

t.test('an object is missing when the API server says so of this one, or of its namespace', async (t) => {
  for (const verb of Object.keys(requests(''))) {
    const own = scene({ body: missing('web', 'pods'), isOfApiServer: true });
    t.equal((await kubeErrorOf(requests(own)[verb]?.() ?? get(own))).kind, 'not-found', verb);
    t.equal(askedIn(own), 1);
    const home = `n${scenes.length}`;
    scene({ body: missing(home, 'namespaces'), isOfApiServer: true });
    t.equal((await kubeErrorOf(requests(home)[verb]?.() ?? get(home))).kind, 'not-found', verb);
  }
  t.equal(await getOrUndefined(get(scene({ body: missing('web', 'pods'), isOfApiServer: true }))), undefined);
  const maps = scene({ body: missing('web', 'configmaps'), isOfApiServer: false });
  await client.delete(CONFIG_MAPS, { name: 'web', namespace: maps }).catch(ignoreNotFound);
  const none = scene({ body: missing('any', 'namespaces'), isOfApiServer: true });
  const pod = { metadata: { name: 'web', namespace: none }, spec: { containers: [] } };
  t.ok(isNotFound(await kubeErrorOf(client.create(PODS, pod))), 'a create is about no object of its own');
});

t.test('fault: a 404 that is not about this object counted as its absence', async (t) => {
  await Promise.all(
    [...NO_ANSWERS, ...ABOUT_OTHERS].flatMap(([what, answer]) => [
      ...Object.entries(requests(scene(answer))).map(async ([verb, send]) => {
        t.equal((await kubeErrorOf(send())).kind, 'retryable', `${verb}: ${what}`);
      }),
      t.rejects(getOrUndefined(get(scene(answer))), what),
      t.rejects(requests(scene(answer)).delete?.().catch(ignoreNotFound) ?? Promise.resolve(), what),
    ]),
  );
});

t.test('what is no answer of an API server is named, with what to do', async (t) => {
  const error = await kubeErrorOf(get(scene({ body: '<html>\n<h1>404', isOfApiServer: false })));
  t.match(error.message, /^http:\/\/127.0.0.1:\d+ answers 404.*not as an API server.*check the server/);
});

t.test('a read goes on once the API server answers again', async (t) => {
  const last = { body: missing('web', 'pods'), isOfApiServer: true };
  const namespace = scene({ body: '<html>404</html>', isOfApiServer: false }, last);
  t.equal(await getOrUndefined(get(namespace)), undefined);
  t.equal(askedIn(namespace), 2);
});

t.test('fault: a second DELETE that a proxy answered with 404 counted as done', async (t) => {
  const namespace = scene({ body: '<html>404</html>', isOfApiServer: false });
  const error = await kubeErrorOf(client.delete(PODS, { name: 'web', namespace }, { uid: 'u' }));
  t.equal(error.kind, 'retryable');
  t.ok(askedIn(namespace) > 1, 'it was repeated');
});

t.test('a kind that is not served is told from an object that is missing', async (t) => {
  for (const answer of UNSERVED) {
    const namespace = scene(answer);
    for (const request of [client.list(PODS, { namespace }), get(namespace)]) {
      const error = await kubeErrorOf(request);
      t.ok(isUnserved(error) && !isNotFound(error), error.message);
    }
    t.equal(askedIn(namespace), 2, 'it is not asked again');
    await t.rejects(getOrUndefined(get(namespace)));
    t.equal(await getIfServed(get(namespace)), undefined);
    t.equal(await client.list(PODS, { namespace }).catch(ignoreUnserved), undefined);
  }
});

t.test('fault: a kind counted as not served when a load balancer had no server behind it', async (t) => {
  await Promise.all(
    NO_ANSWERS.map(async ([what, answer]) => {
      const listed = client.list(PODS, { namespace: scene(answer) });
      t.equal((await kubeErrorOf(listed)).kind, 'retryable', what);
    }),
  );
});
