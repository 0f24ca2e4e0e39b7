import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { createLogger } from '../component/log.ts';
import { RefusedWrites } from '../controller/refusedwrites.ts';
import { kubeErrorOf } from '../testing/kubeerror.ts';
import { connect } from './client.ts';

/** What the API server's audit log calls a request that it refused, so that the cluster's admin finds it. */

let asked = 0;
const server = createServer((request, response) => {
  request.resume();
  asked += 1;
  const code = Number(/\/namespaces\/n(\d+)/.exec(request.url ?? '')?.[1]);
  response.writeHead(code, { 'content-type': 'application/json', 'audit-id': `id-${asked}` });
  response.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', code, message: 'it is refused' }));
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const file = join(t.testdir(), 'config');
const { port } = server.address() as AddressInfo;
writeFileSync(
  file,
  JSON.stringify({
    clusters: [{ name: 'c', cluster: { server: `http://127.0.0.1:${port}` } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    users: [{ name: 'u', user: {} }],
    'current-context': 'x',
  }),
);
const client = connect({ kubeconfig: file, userAgent: 'audit-id' });
t.teardown(() => {
  client.close();
  server.closeAllConnections();
  server.close();
});

const write = (status: number) =>
  client.patch(CONFIG_MAPS, { name: 'a', namespace: `n${status}` }, { data: {} });

for (const status of [403, 413, 422, 409]) {
  t.test(
    `a request refused with ${status} has its Audit-Id in the log, and not in the message`,
    async (t) => {
      const lines: string[] = [];
      const log = createLogger({ component: 'thing', to: { write: (line) => void lines.push(line) } });
      const error = await kubeErrorOf(write(status));
      log.error({ err: error }, 'reconcile failed');
      t.match(JSON.parse(lines.join('')), { err: { auditId: `id-${asked}`, status } });
      // Conditions and events compare messages, so that one refusal is told once.
      t.equal(error.message, (await kubeErrorOf(write(status))).message);
    },
  );
}

t.test('so has a refused status that is told without its error', async (t) => {
  const lines: string[] = [];
  const log = createLogger({ component: 'thing', to: { write: (line) => void lines.push(line) } });
  const writes = new RefusedWrites({ log, now: Date.now, message: 'the status is refused' });
  t.equal(await writes.attempt('a', () => write(413)), false);
  t.match(JSON.parse(lines.join('')), { object: 'a', reason: /it is refused/, auditId: `id-${asked}` });
});
