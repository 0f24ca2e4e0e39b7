import t from 'tap';
import { CONFIG_MAPS, NAMESPACES } from '../../api/resources.ts';
import { connect } from '../../kube/client/client.ts';
import { NOW, offerings, PRICES } from '../testing/builders.ts';
import { createCatalogueStore, PRICES_CONFIG_MAP } from './cataloguestore.ts';

/** The catalogue for the next leader, on a real API server. */

const kubeconfig = process.env.KUBECONFIG;
if (!kubeconfig) throw new Error('KUBECONFIG is not set: run this suite with make test');
const client = connect({ kubeconfig, userAgent: 'catalogue-test' });
const namespace = `catalogue-${process.pid}`;
const { signal } = new AbortController();
const { catalogue } = offerings(PRICES);

t.before(() => client.create(NAMESPACES, { metadata: { name: namespace } }));
t.teardown(async () => {
  await client.delete(NAMESPACES, { name: namespace });
  client.close();
});

t.test('a catalogue that one process saved is loaded by the next', async (t) => {
  const first = createCatalogueStore({ client, namespace });
  t.equal(await first.load(signal), undefined);
  await first.save({ catalogue, readAt: NOW }, signal);
  const { instanceTypes } = catalogue;
  const changed = { instanceTypes: instanceTypes.slice(1) };
  await first.save({ catalogue: changed, readAt: NOW + 1000 }, signal);
  const next = createCatalogueStore({ client, namespace });
  t.same(await next.load(signal), { catalogue: changed, readAt: NOW + 1000 });
  const { data } = await client.get(CONFIG_MAPS, { name: PRICES_CONFIG_MAP, namespace });
  t.match(data, { readAt: '2026-11-22T12:00:01.000Z', summary: '2 instance types with 2 offerings' });
});

t.test('a ConfigMap that holds no catalogue is refused', async (t) => {
  const ref = { name: PRICES_CONFIG_MAP, namespace };
  await client.patch(CONFIG_MAPS, ref, { binaryData: { 'catalogue.json.br': 'bm90aGluZw==' } });
  await t.rejects(createCatalogueStore({ client, namespace }).load(signal));
});
