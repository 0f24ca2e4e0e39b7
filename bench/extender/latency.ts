import type { Pod } from '../../api/objects.ts';
import type { Intent } from '../../api/pinning.ts';
import { PODS } from '../../api/resources.ts';
import { until } from '../../kube/testing/until.ts';
import type { Bed } from '../support/bed.ts';
import { Bindings, dropNodes, dropPods, makeNodes, makeOwner, podOf } from '../support/cluster.ts';
import { quantile } from '../support/figures.ts';
import type { Pinner } from '../support/pinner.ts';
import { formatNumber, formatRatio, type Row } from '../support/table.ts';

/** One pod at a time, from the intent to the pod seen on its node, beside a bare binding by this process. */

const NODE = 'bench-latency';
// Wait until the pinner's own watch has shown it the pod; the clock starts only then.
const SETTLE_MS = 50;

const intentFor = ({ metadata }: Pod, namespace: string): Intent => ({
  id: `pin/${metadata.uid}`,
  plan: 'bench',
  nodeClaim: `claim-of-${NODE}`,
  nodeName: NODE,
  pin: { namespace, pod: { name: metadata.name, uid: metadata.uid ?? '' } },
});

export const latencyRows = async (
  bed: Bed,
  pinner: Pinner,
  o: { readonly samples: number },
): Promise<readonly Row[]> => {
  const { client } = bed;
  const { autoscaler } = pinner;
  const namespace = await bed.namespace('latency');
  const owner = await makeOwner(client, namespace, 'owner');
  await makeNodes(client, [NODE], { pods: 10 * o.samples });
  const bindings = await Bindings.watch(client, namespace);
  const pinned: number[] = [];
  const bare: number[] = [];
  const seen = async (name: string): Promise<number> =>
    until(`${name} bound`, () => bindings.at(name), { timeoutMs: 30_000, everyMs: 1 });
  try {
    for (let i = 0; i < o.samples; i++) {
      const one = await client.create(PODS, podOf({ name: `pinned-${i}`, namespace, owner }));
      const other = await client.create(PODS, podOf({ name: `bare-${i}`, namespace, owner }));
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const started = performance.now();
      autoscaler.upsert(intentFor(one, namespace));
      pinned.push((await seen(one.metadata.name)) - started);
      autoscaler.remove(intentFor(one, namespace).id);
      const bound = performance.now();
      await client.request('POST', `/api/v1/namespaces/${namespace}/pods/${other.metadata.name}/binding`, {
        body: {
          apiVersion: 'v1',
          kind: 'Binding',
          metadata: { name: other.metadata.name },
          target: { apiVersion: 'v1', kind: 'Node', name: NODE },
        },
      });
      bare.push((await seen(other.metadata.name)) - bound);
    }
  } finally {
    bindings.close();
    await dropPods(client, namespace);
    await dropNodes(client, [NODE]);
  }
  return [0.5, 0.99].map((q) => {
    const [ours, peer] = [quantile(pinned, q), quantile(bare, q)];
    return {
      what: `ms from intent to bound pod, p${q * 100} of ${o.samples}, idle cluster`,
      ours: formatNumber(ours),
      peer: `${formatNumber(peer)} bare pods/binding`,
      ratio: formatRatio(ours / peer),
      reach: q === 0.99 ? '≤ 50 ms' : '',
      isMet: q === 0.99 ? ours <= 50 : undefined,
    };
  });
};
