import t from 'tap';
import { CONFIG_MAPS, NAMESPACES } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { isNotFound } from '../../kube/errors.ts';
import { createAuditedClient } from './auditedclient.ts';
import type { AuditNote } from './trail.ts';

/** Audit notes of a client's writes, on a real API server. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const plain = connect({ kubeconfig, userAgent: 'audit-test' });
const notes: AuditNote[] = [];
const client = createAuditedClient(plain, { note: (note) => void notes.push(note) });
const namespace = `audit-${process.pid}`;
const ref = { name: 'one', namespace };
const object = { kind: 'ConfigMap', ...ref };
const writtenNotes = () =>
  notes.splice(0).map(({ reason, message, outcome, change }) => [reason, message, outcome, change]);

t.before(() => plain.create(NAMESPACES, { metadata: { name: namespace } }));
t.teardown(async () => {
  await plain.delete(NAMESPACES, { name: namespace });
  plain.close();
});

t.test('a write is noted with its change', async (t) => {
  await client.create(CONFIG_MAPS, { metadata: ref, data: { a: '1' } });
  t.match(notes, [{ kind: 'write', object, reason: 'create', outcome: 'done' }]);
  notes.length = 0;
  await client.patch(CONFIG_MAPS, ref, { data: { a: '2' } });
  await client.delete(CONFIG_MAPS, ref);
  t.same(writtenNotes(), [
    ['patch', 'patch ConfigMap one', 'done', '{"data":{"a":"2"}}'],
    ['delete', 'delete ConfigMap one', 'done', undefined],
  ]);
});

t.test('a write that the API server refuses is noted as refused, and still fails', async (t) => {
  await t.rejects(client.patch(CONFIG_MAPS, ref, { data: {} }), /not found/);
  await client.evict({ name: 'none', namespace }).catch((error: unknown) => t.ok(isNotFound(error)));
  t.match(notes.splice(0), [
    { reason: 'patch', outcome: 'refused', message: /patch ConfigMap one: .*not found/ },
    { reason: 'evict', outcome: 'refused', object: { kind: 'Pod', name: 'none', namespace } },
  ]);
});

t.test('reads and dry runs are not noted, nor are long changes', async (t) => {
  await client.create(CONFIG_MAPS, { metadata: ref }, { dryRun: true });
  await client.list(CONFIG_MAPS, { namespace });
  t.same(writtenNotes(), []);
  await client.create(CONFIG_MAPS, { metadata: ref });
  await client.patch(CONFIG_MAPS, ref, { data: { a: 'x'.repeat(2000) } });
  t.equal(notes.at(-1)?.change, undefined);
  notes.length = 0;
});

t.test('a guarded client is audited too', async (t) => {
  const fenced = client.guarded(() => {
    throw new Error('too late');
  });
  await t.rejects(fenced.patch(CONFIG_MAPS, ref, { data: {} }), /too late/);
  t.match(notes, [{ outcome: 'refused', message: /too late/ }]);
});
