import * as labels from '../../api/labels.ts';
import type { NodeClaim, Pod } from '../../api/objects.ts';
import { NODE_CLAIMS, PODS } from '../../api/resources.ts';
import { cloudOf } from '../../e2e/ground/aws/cloud.ts';
import type { Ground } from '../../e2e/ground/ground.ts';
import { applyPool, dropPool } from '../../e2e/support/fleet.ts';
import { createNamespace, deleteNamespace, isRunning } from '../../e2e/support/workload.ts';
import { createCache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';
import { randomFrom } from '../../planner/search/random.ts';
import { burstOf } from '../../planner/testing/purchase.ts';
import { quantile } from '../support/figures.ts';
import { applyBurst } from './burst.ts';
import { judge, type Outcome } from './outcome.ts';

/** Bounds of the time until a machine joins, in milliseconds. Real machines differ, too. */
const JOIN_MS = [6_000, 18_000] as const;
const TIMEOUT_MS = 240_000;
/** Karpenter looks at pending pods again every ten seconds; surplus purchases show within that time. */
const SETTLE_MS = 12_000;

/** Gives each launched machine another time to join. Returns a function that ends it. */
const varyJoins = (ground: Ground, seed: number): (() => Promise<void>) => {
  const { control } = cloudOf(ground);
  const random = randomFrom(seed);
  const vary = async (): Promise<void> => {
    const joinMs = Math.round(JOIN_MS[0] + random() * (JOIN_MS[1] - JOIN_MS[0]));
    await control.setFaults({ delays: { joinMs } }).catch(() => undefined);
  };
  const timer = setInterval(() => void vary(), 40);
  return async () => {
    clearInterval(timer);
    await control.clearFaults();
  };
};

/** One burst on an empty NodePool, from its first pod to the last one that runs, and a while longer. */
export const runRound = async (o: {
  readonly ground: Ground;
  readonly client: KubeClient;
  readonly name: string;
  readonly pods: number;
  readonly seed: number;
  readonly prices: ReadonlyMap<string, number>;
}): Promise<Outcome> => {
  const { client, name } = o;
  const stopping = new AbortController();
  const log = createLogger({ component: 'bench', level: 'warn' });
  const sizes = [
    { key: 'karpenter.k8s.aws/instance-cpu', operator: 'In' as const, values: ['4', '8', '16'] },
  ];
  await applyPool(client, { name, requirements: sizes });
  await createNamespace(client, name);
  const stopVarying = varyJoins(o.ground, o.seed);
  const claims = new Map<string, NodeClaim>();
  const claimedAt = new Map<string, number>();
  const boundAt = new Map<string, number>();
  const runningAt = new Map<string, number>();
  const failed = new Set<string>();
  try {
    const podCache = createCache<Pod>({ client, log, resource: PODS, namespace: name });
    podCache.onChange(({ object: pod, type }) => {
      const uid = pod.metadata.uid ?? '';
      if (type === 'delete') return;
      if (pod.spec.nodeName && !boundAt.has(uid)) boundAt.set(uid, Date.now());
      if (isRunning(pod) && !runningAt.has(uid)) runningAt.set(uid, Date.now());
      if (pod.status?.phase === 'Failed') failed.add(uid);
    });
    const claimCache = createCache<NodeClaim>({
      client,
      log,
      resource: NODE_CLAIMS,
      labelSelector: `${labels.KARPENTER_NODEPOOL}=${name}`,
    });
    claimCache.onChange(({ object }) => {
      const { name: claim } = object.metadata;
      if (!claims.has(claim)) claimedAt.set(claim, Date.now());
      claims.set(claim, object);
    });
    for (const cache of [podCache, claimCache]) cache.start(stopping.signal);
    await Promise.all([podCache.synced(stopping.signal), claimCache.synced(stopping.signal)]);
    const startedAt = Date.now();
    await applyBurst(client, name, burstOf(o.pods, o.seed));
    await until(
      `${o.pods} pods running`,
      () => podCache.size >= o.pods && podCache.list().filter(isRunning).length === o.pods,
      { timeoutMs: TIMEOUT_MS, everyMs: 200 },
    );
    const settledAt = Date.now() + SETTLE_MS;
    await until('nothing is bought any more', () => Date.now() >= settledAt, { timeoutMs: SETTLE_MS * 2 });
    const after = [...runningAt.values()].map((at) => at - startedAt);
    return {
      ...judge({
        pods: podCache.list(),
        seen: [...claims.values()],
        standing: claimCache.list().filter((claim) => !claim.metadata.deletionTimestamp),
        prices: o.prices,
      }),
      ofPlans: [...claims.values()].filter(({ metadata }) => metadata.labels?.[labels.PLAN]).length,
      claimsMs: Math.max(...claimedAt.values()) - startedAt,
      boundMs: Math.max(...boundAt.values()) - startedAt,
      firstMs: Math.min(...after),
      medianMs: quantile(after, 0.5),
      lastMs: Math.max(...after),
      failed: failed.size,
    };
  } finally {
    stopping.abort(new Error('the round is over'));
    await stopVarying();
    await deleteNamespace(client, name);
    await dropPool(client, name);
  }
};
