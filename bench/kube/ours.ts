import { NODES, PODS } from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { POD_INDEXES } from '../../kube/cache/trim.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { Measure } from './measure.ts';

/** Our cache of pods and nodes with its indexes, as a process: ours.ts KUBECONFIG. */
const [kubeconfig = ''] = process.argv.slice(2);
const measure = new Measure();
const client = connect({ kubeconfig, userAgent: 'bench-ours' });
const log = createLogger({ component: 'bench', level: 'silent' });
const { signal } = new AbortController();
const pods = createCache({ client, log, resource: PODS, indexes: POD_INDEXES });
const nodes = createCache({ client, log, resource: NODES });
pods.onChange((change) => measure.changed(change.object.metadata.annotations?.['bench.cast.ai/version']));
pods.start(signal);
nodes.start(signal);
await Promise.all([pods.synced(), nodes.synced()]);
measure.synced(pods.size + nodes.size);
