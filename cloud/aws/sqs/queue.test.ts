import http from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { keepCredentials } from '../signed/credentials.ts';
import { createAwsQueue, regionOf } from './queue.ts';

/** The client of one queue against servers that answer otherwise than SQS. */

const never = new AbortController().signal;
const credentials = async () => ({ accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' });

const serve = async (
  t: Pick<typeof import('tap').t, 'teardown'>,
  answer: (response: http.ServerResponse, request: http.IncomingMessage) => void,
): Promise<string> => {
  const server = http.createServer((request, response) => answer(response, request));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/0/queue`;
};
const receive = (url: string, timeoutMs = 60_000) =>
  createAwsQueue({ url, region: 'us-west-2', credentials, timeoutMs }).receive(
    { waitSeconds: 0, hiddenSeconds: 60 },
    never,
  );

t.test('requests are signed for SQS in the region of the queue', async (t) => {
  let seen: http.IncomingHttpHeaders = {};
  const url = await serve(t, (response, { headers }) => {
    seen = headers;
    response.end('{}');
  });
  t.same(await receive(url), []);
  t.match(seen.authorization, /^AWS4-HMAC-SHA256 Credential=id\/\d{8}\/us-west-2\/sqs\/aws4_request/);
  t.match(seen, { 'x-amz-target': 'AmazonSQS.ReceiveMessage', 'x-amz-security-token': 'token' });
  t.equal(regionOf('https://sqs.eu-central-1.amazonaws.com/1/q'), 'eu-central-1');
  t.equal(regionOf('https://sqs.cn-north-1.amazonaws.com.cn/1/q'), 'cn-north-1');
  t.equal(regionOf('http://10.90.3.1:19200/1/q'), undefined);
});

/** Sentence, answer, what the error says. */
const ANSWERS: readonly (readonly [string, (response: http.ServerResponse) => void, RegExp])[] = [
  [
    'an error of AWS is named',
    (r) =>
      void r
        .writeHead(400)
        .end(JSON.stringify({ __type: 'com.amazonaws.sqs#QueueDoesNotExist', message: 'It is gone.' })),
    /ReceiveMessage: QueueDoesNotExist, It is gone\./,
  ],
  ['an error without words', (r) => void r.writeHead(503).end('<html>'), /ReceiveMessage: HTTP 503/],
  ['the page of a proxy', (r) => void r.end('<html>'), /the answer is none of SQS/],
  ['messages that are none', (r) => void r.end('{"Messages":[{"Body":7}]}'), /the answer is none of SQS/],
  [
    'attack: of an answer without an end no more than 8 MiB are read',
    (r) => {
      const piece = Buffer.alloc(2 ** 20, 0x20);
      const more = (): void => {
        while (!r.destroyed && r.write(piece));
      };
      r.on('drain', more);
      more();
    },
    /the answer is none of SQS/,
  ],
  [
    'a redirect is not followed',
    (r) => void r.writeHead(302, { location: 'http://10.0.0.1/x' }).end(),
    /HTTP 302 to http:\/\/10\.0\.0\.1, which is not followed/,
  ],
];
for (const [sentence, answer, message] of ANSWERS) {
  t.test(sentence, async (t) => {
    const url = await serve(t, answer);
    await t.rejects(receive(url), { message });
  });
}

t.test('a server that says nothing is given up', async (t) => {
  const url = await serve(t, () => {});
  await t.rejects(receive(url, 300), /timeout/);
});

t.test('credentials are read once, and again before they end', async (t) => {
  const clock = { now: 0 };
  let reads = 0;
  const keep = keepCredentials(
    async () => ({ accessKeyId: `id-${++reads}`, secretAccessKey: 'key', expiresAt: clock.now + 3_600_000 }),
    () => clock.now,
  );
  const ids = async () =>
    (await Promise.all([keep(never), keep(never)])).map(({ accessKeyId }) => accessKeyId);
  t.same(await ids(), ['id-1', 'id-1']);
  clock.now = 3_000_000;
  t.same(await ids(), ['id-1', 'id-1']);
  clock.now = 3_300_001;
  t.same(await ids(), ['id-2', 'id-2']);
});
