import t from 'tap';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { FencedError } from '../errors.ts';
import { scratch } from '../testing/scratch.ts';
import { connect } from './client.ts';

const { client, kubeconfig, namespace } = scratch(t, 'guard');

const configMap = (name: string) => ({ metadata: { name, namespace } });

t.test('a guard is called before each write and never before a read', async (t) => {
  let asked = 0;
  let isOpen = true;
  const fenced = client.guarded(() => {
    asked++;
    if (!isOpen) throw new FencedError('closed');
  });
  await fenced.create(CONFIG_MAPS, configMap('fenced'));
  await fenced.get(CONFIG_MAPS, { name: 'fenced', namespace });
  t.equal(asked, 1);
  isOpen = false;
  await t.rejects(fenced.delete(CONFIG_MAPS, { name: 'fenced', namespace }), { name: 'FencedError' });
  t.ok(await client.get(CONFIG_MAPS, { name: 'fenced', namespace }), 'it is still there');
});

t.test('a guard is called only after a new connection is established', async (t) => {
  const fresh = connect({ kubeconfig, userAgent: 'fresh' });
  t.teardown(() => fresh.close());
  let askedAt = 0;
  const since = performance.now();
  await fresh
    .guarded(() => {
      askedAt = performance.now() - since;
    })
    .create(CONFIG_MAPS, configMap('fresh'));
  t.ok(askedAt > 0.5, `called after ${askedAt.toFixed(1)} ms, when the handshake was done`);
});
