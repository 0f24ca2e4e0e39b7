import { join } from 'node:path';
import t from 'tap';
import { CONFIG_MAPS, NAMESPACES } from '../../api/resources.ts';
import { ApiProxy } from '../testing/apiproxy.ts';
import { upstreamOf, writeKubeconfig } from '../testing/kubeconfig.ts';
import { kubeErrorOf } from '../testing/kubeerror.ts';
import { scratch } from '../testing/scratch.ts';
import { connect } from './client.ts';

const directory = t.testdir();
const { kubeconfig, namespace } = scratch(t, 'sender');

const configMap = (name: string) => ({ metadata: { name, namespace } });

t.test('the client limits its own rate', async (t) => {
  const slow = connect({ kubeconfig, userAgent: 'slow', qps: 50, burst: 5 });
  t.teardown(() => slow.close());
  const since = performance.now();
  await Promise.all(Array.from({ length: 15 }, () => slow.get(NAMESPACES, { name: namespace })));
  t.ok(performance.now() - since >= 190, 'ten beyond the burst at fifty a second');
});

t.test('only requests that are safe to repeat are repeated', async (t) => {
  const api = await ApiProxy.to(upstreamOf(kubeconfig));
  t.teardown(() => api.close());
  const through = connect({
    kubeconfig: writeKubeconfig(join(directory, 'api'), {
      server: `https://127.0.0.1:${api.port}`,
      ca: api.certificate,
    }),
    userAgent: 'through',
  });
  t.teardown(() => through.close());
  const failing = (times: number, code: number, retryAfter?: number): { readonly asked: number } => {
    const count = { asked: 0 };
    api.set(() =>
      count.asked++ < times
        ? { kind: 'status', code, ...(retryAfter !== undefined && { retryAfter }) }
        : undefined,
    );
    return count;
  };
  let count = failing(2, 500);
  t.ok(await through.get(NAMESPACES, { name: namespace }));
  t.equal(count.asked, 3, 'a read');
  count = failing(2, 429);
  t.ok(await through.create(CONFIG_MAPS, configMap('refused-first')));
  t.equal(count.asked, 3, 'a create that was refused before it was done');
  count = failing(1, 500);
  t.equal((await kubeErrorOf(through.create(CONFIG_MAPS, configMap('in-doubt')))).kind, 'retryable');
  t.equal(count.asked, 1, 'a create that may have been done');
  count = failing(1, 429, 1);
  const since = performance.now();
  await through.get(NAMESPACES, { name: namespace });
  t.ok(performance.now() - since >= 990, 'as late as the server asked');
});
