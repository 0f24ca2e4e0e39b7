import { EtcdLoader } from './etcd.ts';
import { namespaces, node, pod, type Stored } from './objects.ts';

/** Writes a cluster into etcd: load.ts ETCD NODES FIRST_POD END_POD. Nodes and namespaces come with the first pod. */
const [etcd = '', ...numbers] = process.argv.slice(2);
const [nodes = 0, first = 0, end = 0] = numbers.map(Number);

function* objects(): Iterable<Stored> {
  if (first === 0) {
    yield* namespaces();
    for (let n = 0; n < nodes; n++) yield node(n);
  }
  for (let n = first; n < end; n++) yield pod(n, nodes);
}

const loader = new EtcdLoader(etcd);
await loader.putAll(objects());
loader.close();
