import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { makeNode } from '../../../planner/testing/builders.ts';
import { Listener } from '../source.ts';
import { createMlApi, type MlApiOptions } from './mlapi.ts';

/** The client against servers that answer as agreed, and against those that do not. */

const NOW = Date.parse('2026-11-30T12:00:00Z');
const NODES = ['a', 'b'].map((name) => makeNode(name, { capacityType: 'spot' }));
const never = new AbortController().signal;

interface Asked {
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** A server on a free port, and what it was asked. */
const serve = async (
  t: Pick<typeof import('tap').t, 'teardown'>,
  answer: (response: http.ServerResponse, asked: Asked) => void,
): Promise<{ url: string; asked: Asked[] }> => {
  const asked: Asked[] = [];
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one = {
      url: request.url ?? '',
      authorization: request.headers.authorization,
      body: JSON.parse(Buffer.concat(chunks).toString() || 'null') as unknown,
    };
    asked.push(one);
    answer(response, one);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
};

const json = (response: http.ServerResponse, body: unknown, status = 200): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};
const poll = (o: Partial<MlApiOptions>, modelName = 'm', nodes = NODES, now = NOW) =>
  createMlApi({ url: '', clusterId: 'c 1', tokenFile: '', token: '', ...o }).poll(
    { nodes, modelName, now },
    never,
  );

t.test('a prediction says which machine of that name was asked about', async (t) => {
  const { url } = await serve(t, (response) =>
    json(response, { predictions: [{ node: 'a', probability: 0.83 }] }),
  );
  const nodes = NODES.map(({ node, claim }) => ({
    node: { ...node, metadata: { ...node.metadata, uid: `uid-of-${node.metadata.name}` } },
    claim,
  }));
  const { predictions } = await poll({ url }, 'm', nodes);
  t.same(predictions, [{ node: 'a', probability: 0.83, model: 'm', uid: 'uid-of-a' }]);
});

t.test('it asks for the model by name, and takes probabilities of nodes that it asked for', async (t) => {
  const { url, asked } = await serve(t, (response) =>
    json(response, {
      predictions: [
        { node: 'a', probability: 0.83 },
        { node: 'another', probability: 1 },
      ],
      more: 1,
    }),
  );
  const answer = await poll({ url: `${url}/`, token: 'key' }, 'spot-v2');
  t.match(answer.condition, { status: 'True', reason: 'Answered' });
  t.same(answer.predictions, [{ node: 'a', probability: 0.83, model: 'spot-v2' }]);
  t.match(asked, [
    {
      url: '/v1/clusters/c%201/spot-interruption-predictions',
      authorization: 'Bearer key',
      body: {
        model: 'spot-v2',
        nodes: [
          { name: 'a', instanceType: 'm5.xlarge', zone: 'us-west-2a', providerId: 'aws:///a' },
          { name: 'b' },
        ],
      },
    },
  ]);
});

t.test('the token comes from its file as it is at that time', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mlapi-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const tokenFile = join(folder, 'token');
  const { url, asked } = await serve(t, (response) => json(response, { predictions: [] }));
  const source = createMlApi({ url, clusterId: 'c', tokenFile, token: 'not-this-one' });
  const ask = (now: number) => source.poll({ nodes: NODES, modelName: 'm', now }, never);
  writeFileSync(tokenFile, 'first\n');
  await ask(NOW);
  writeFileSync(tokenFile, 'second\n');
  await ask(NOW);
  writeFileSync(tokenFile, '\n');
  t.match((await ask(NOW)).condition, { status: 'False', message: /holds no token/ });
  t.same(
    asked.map(({ authorization }) => authorization),
    ['Bearer first', 'Bearer second'],
  );
});

/** Sentence, answer of the server, what the condition says. */
const WRONG: readonly (readonly [string, (response: http.ServerResponse) => void, RegExp])[] = [
  [
    'a probability above 1',
    (r) => json(r, { predictions: [{ node: 'a', probability: 1.1 }] }),
    /not as agreed: predictions\.0\.probability/,
  ],
  [
    'a probability that is no number',
    (r) => json(r, { predictions: [{ node: 'a', probability: 'high' }] }),
    /not as agreed/,
  ],
  ['the page of a proxy', (r) => void r.writeHead(200).end('<html>'), /no JSON/],
  ['no answer at all', (r) => void r.destroy(), /can not be used/],
  ['an error', (r) => json(r, {}, 500), /HTTP 500/],
  [
    'more predictions than nodes may be',
    (r) => json(r, { predictions: Array.from({ length: 501 }, () => ({ node: 'a', probability: 1 })) }),
    /not as agreed/,
  ],
  [
    'an answer without end',
    (r) => {
      r.writeHead(200);
      const pour = (): void => {
        while (!r.destroyed && r.write('x'.repeat(64 * 1024)));
        if (!r.destroyed) r.once('drain', pour);
      };
      pour();
    },
    /longer than 2097152 bytes/,
  ],
];
for (const [sentence, answer, message] of WRONG) {
  t.test(`${sentence} is not used, and its source says so`, async (t) => {
    const { url } = await serve(t, answer);
    const { condition, predictions } = await poll({ url });
    t.match(condition, { status: 'False', reason: 'Failed', message });
    t.same(predictions, []);
  });
}

t.test('a redirect is not followed: it would take the token along', async (t) => {
  const other = await serve(t, (response) => json(response, { predictions: [] }));
  const { url } = await serve(t, (response) =>
    response.writeHead(307, { location: `${other.url}/secret?x` }).end(),
  );
  const { condition } = await poll({ url, token: 'key' });
  t.match(condition, {
    status: 'False',
    message: /HTTP 307 to http:\/\/127\.0\.0\.1:\d+, which is not followed/,
  });
  t.notMatch(condition.message, /secret/);
  t.same(other.asked, []);
});

t.test('an API that fails is left alone, for longer each time, and as long as it asks for', async (t) => {
  let headers = {};
  const { url, asked } = await serve(t, (response) => response.writeHead(429, headers).end());
  const source = createMlApi({ url, clusterId: 'c', tokenFile: '', token: '' });
  const ask = (now: number) => source.poll({ nodes: NODES, modelName: 'm', now }, never);
  await ask(NOW);
  t.match((await ask(NOW + 4_000)).condition, { reason: 'BackingOff', message: /HTTP 429/ });
  await ask(NOW + 5_000);
  await ask(NOW + 14_000);
  t.equal(asked.length, 2);
  headers = { 'retry-after': '60' };
  await ask(NOW + 15_000);
  await ask(NOW + 74_000);
  t.equal(asked.length, 3);
  headers = { 'retry-after': '1e9' };
  await ask(NOW + 75_000);
  await ask(NOW + 75_000 + 600_000);
  t.equal(asked.length, 5, 'but never for more than ten minutes');
});

t.test('a server that says nothing is given up, and blocks no cycle meanwhile', async (t) => {
  const { url } = await serve(t, () => {});
  const source = createMlApi({ url, clusterId: 'c', tokenFile: '', token: '', timeoutMs: 300 });
  const listener = new Listener(source);
  const ask = (patienceMs: number) =>
    listener.ask({ nodes: NODES, modelName: 'm', now: NOW }, patienceMs, never);
  t.match((await ask(1)).condition, { status: 'Unknown' });
  t.match((await ask(60_000)).condition, { status: 'False', message: /timeout/ });
});

t.test('a fleet is asked for in parts', async (t) => {
  const fleet = Array.from({ length: 1_200 }, (_, n) => makeNode(`n-${n}`, { capacityType: 'spot' }));
  const { url, asked } = await serve(t, (response, { body }) => {
    const { nodes } = body as { nodes: { name: string }[] };
    json(response, { predictions: nodes.map(({ name }) => ({ node: name, probability: 0.1 })) });
  });
  const { predictions } = await poll({ url }, 'm', fleet);
  t.equal(predictions.length, 1_200);
  t.equal(asked.length, 3);
});

t.test('without an address or a model nobody is asked, and the condition says what to set', async (t) => {
  t.match((await poll({})).condition, {
    reason: 'NotConfigured',
    message: /SPOT_INTERRUPTION_PREDICTION_API_URL/,
  });
  const { url, asked } = await serve(t, (response) => json(response, { predictions: [] }));
  t.match((await poll({ url }, '')).condition, { reason: 'NoModel', message: /_MODEL_NAME/ });
  t.same(asked, []);
});

t.test('the OpenAPI file names the address and the fields that are sent', async (t) => {
  const document = parse(readFileSync(new URL('./mlapi.openapi.yaml', import.meta.url), 'utf8'));
  const { url, asked } = await serve(t, (response) => json(response, { predictions: [] }));
  await poll({ url });
  const [path] = Object.keys(document.paths);
  t.equal(path?.replace('{clusterId}', 'c%201'), asked[0]?.url);
  const { Question, Node, Answer } = document.components.schemas;
  const body = asked[0]?.body as { nodes: object[] };
  t.same(
    Object.keys(body).filter((key) => !(key in Question.properties)),
    [],
  );
  t.same(
    Object.keys(body.nodes[0] ?? {}).filter((key) => !(key in Node.properties)),
    [],
  );
  t.same(
    Node.required.filter((key: string) => !(key in (body.nodes[0] ?? {}))),
    [],
  );
  t.equal(Question.properties.nodes.maxItems, Answer.properties.predictions.maxItems);
});
