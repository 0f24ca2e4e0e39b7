import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import type { Logger } from '../../kube/component/log.ts';
import { parse } from '../../kube/component/options.ts';
import { until } from '../../kube/testing/until.ts';
import { options } from '../options.ts';
import { checkApi } from './checkapi.ts';
import { createAuditSender } from './sender.ts';

/** Servers that answer in place of the audit API. */

const KEY = 'SECRET-KEY';
const SOON = { timeoutMs: 20_000, everyMs: 10 };

const serve = async (t: Pick<Test, 'teardown'>, listener: RequestListener): Promise<string> => {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const send = (t: Pick<Test, 'teardown'>, url: string) => {
  const lines: string[] = [];
  const warn = (fields: object, message: string): void =>
    void lines.push(`${JSON.stringify(fields)} ${message}`);
  const log = { warn } as unknown as Logger;
  const sender = createAuditSender({
    url,
    apiKey: KEY,
    clusterId: 'c',
    log,
    batchWindowMs: 1,
    firstWaitMs: 5,
  });
  t.teardown(() => sender.close(10));
  const object = { kind: 'RebalancePlan', name: 'p' };
  sender.add({ id: '1', time: 't', kind: 'decision', object, reason: 'r', message: 'm' });
  return { sender, lines };
};

for (const code of [301, 302, 303, 307, 308]) {
  t.test(`attack: the key does not follow a redirect with ${code}, and the entry waits`, async (t) => {
    const seen: string[] = [];
    const thief = await serve(t, (request, response) => {
      seen.push(`${request.method} ${request.headers.authorization}`);
      response.end('login');
    });
    const api = await serve(t, (request, response) => {
      request.resume();
      response.writeHead(code, { location: `${thief.replace('//', '//user:pa55@')}/login?key=1` }).end();
    });
    const { sender, lines } = send(t, api);
    await until('it was tried twice', () => lines.length >= 2, SOON);
    t.same(seen, []);
    t.match(lines[0], /redirect|not followed/);
    t.notMatch(lines.join(), /pa55|SECRET/);
    await sender.close(10);
  });
}

const PAGES: readonly (readonly [string, number, string])[] = [
  ['a captive portal', 200, '<html>please log in</html>'],
  ['an empty answer', 204, ''],
  ['JSON of somebody else', 200, '{"ok":true}'],
  ['fewer entries than were sent', 200, '{"accepted":0}'],
  ['a refusal of a proxy', 403, '<html>forbidden</html>'],
  ['a refusal of a path', 404, 'not found'],
  ['an acceptance that is an error', 500, '{"accepted":1}'],
];
for (const [what, code, body] of PAGES) {
  t.test(
    `attack: ${what} with ${code} is no arrival; the entry is sent until the API takes it`,
    async (t) => {
      let asked = 0;
      const url = await serve(t, (request, response) => {
        request.resume();
        const isApi = ++asked > 2;
        response.writeHead(isApi ? 200 : code).end(isApi ? '{"accepted":1}' : code === 204 ? '' : body);
      });
      const { sender, lines } = send(t, url);
      await until('the API has it', () => asked === 3, SOON);
      await sender.close(2_000);
      t.equal(lines.length, 2, 'it was tried twice before');
    },
  );
}

t.test('attack: an answer without an end fills no memory', async (t) => {
  const url = await serve(t, (request, response) => {
    request.resume();
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      response.once('drain', more);
    };
    more();
  });
  const { lines } = send(t, url);
  await until('it is given up', () => lines.length > 0, { timeoutMs: 8_000, everyMs: 10 });
  t.match(lines[0], /without/);
});

t.test('attack: no user, password or key is read back from an option that can not be used', (t) => {
  const read = (env: Record<string, string>): string => {
    try {
      parse(options, { argv: [], env, name: 'x' });
      return '';
    } catch (error) {
      return String(error);
    }
  };
  for (const url of ['https://user:pa55@api', 'ftp://user:pa55@api', 'https://user:pa/55@api']) {
    const message = read({ API_URL: url });
    t.match(message, /API_URL/, url);
    t.notMatch(message, /pa\/?55/, url);
  }
  const message = read({ API_KEY: `${KEY}\n${KEY}` });
  t.match(message, /API_KEY/);
  t.notMatch(message, /SECRET/);
  t.end();
});

t.test('attack: nobody reads the key off a plain connection that was not asked for', (t) => {
  const check = (env: Record<string, string>): void =>
    checkApi(parse(options, { argv: [], env: { CLUSTER_ID: 'c', ...env }, name: 'x' }));
  for (const url of ['http://api.example.com', 'HTTP://api.example.com'])
    t.throws(() => check({ API_URL: url }), /plain http|URL such as/, url);
  check({ API_URL: 'http://api.example.com', API_ALLOW_PLAIN_HTTP: 'true' });
  check({ API_URL: 'https://api.example.com' });
  t.throws(() => check({ API_URL: 'https://api.example.com', CLUSTER_ID: '' }), /CLUSTER_ID/);
  t.end();
});
