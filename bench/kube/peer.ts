import { CoreV1Api, KubeConfig, makeInformer, type V1Node, type V1Pod } from '@kubernetes/client-node';
import { Measure, say } from './measure.ts';

/** The informer of @kubernetes/client-node, on the same kinds: peer.ts KUBECONFIG. */
const [kubeconfig = ''] = process.argv.slice(2);
const measure = new Measure();
const config = new KubeConfig();
config.loadFromFile(kubeconfig);
const api = config.makeApiClient(CoreV1Api);
const pods = makeInformer<V1Pod>(config, '/api/v1/pods', () => api.listPodForAllNamespaces());
const nodes = makeInformer<V1Node>(config, '/api/v1/nodes', () => api.listNode());
pods.on('update', (pod) => measure.changed(pod.metadata?.annotations?.['bench.cast.ai/version']));
const fail = (e: unknown): void => {
  say({ kind: 'failed', reason: e instanceof Error ? `${e.name}: ${e.message}`.slice(0, 120) : String(e) });
  process.exit(0);
};
pods.on('error', fail);
nodes.on('error', fail);
try {
  await Promise.all([pods.start(), nodes.start()]);
  const found = pods.list().length + nodes.list().length;
  if (found === 0) fail('its list is empty and it says nothing');
  measure.synced(found);
} catch (e) {
  fail(e);
}
