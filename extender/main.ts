import type { Server } from 'node:https';
import { hostname } from 'node:os';
import { Registry } from 'prom-client';
import { isEnabled } from '../api/features.ts';
import { PIN_GATE, POD_PINNER_WEBHOOK } from '../api/labels.ts';
import { loadPinningServices } from '../api/pinning.ts';
import { NODES, PODS } from '../api/resources.ts';
import { createCache } from '../kube/cache/cache.ts';
import { POD_INDEXES } from '../kube/cache/trim.ts';
import { connect } from '../kube/client/client.ts';
import { peerCallersOf, remoteOf } from '../kube/component/componentoptions.ts';
import { serveHealth } from '../kube/component/health.ts';
import { createLogger } from '../kube/component/log.ts';
import { runMain } from '../kube/component/main.ts';
import { countProblems } from '../kube/component/metrics.ts';
import { parse } from '../kube/component/options.ts';
import { runElected } from '../kube/election/election.ts';
import { followFeatures } from '../kube/features/follow.ts';
import { peerToken, servePeers } from '../kube/grpc/peer.ts';
import { checkRemote } from '../kube/grpc/remote.ts';
import { GateReleaser } from '../kube/heldpods/gatereleaser.ts';
import { createGateReleasePolicy } from '../planner/pinning/gatepolicy.ts';
import { dialExternal, dialLeader } from './intents/dial.ts';
import { lead } from './leader.ts';
import { extenderMetrics } from './metrics.ts';
import { type Options, options } from './options.ts';
import { OWN_TAINTS } from './placement/state.ts';
import type { Leader } from './scheduler/binding.ts';
import { followVerbFiles, verbTlsOf } from './scheduler/certificates.ts';
import { createExtenderServer } from './scheduler/server.ts';
import { SideCounter } from './sides/counter.ts';
import { SlotAllocator } from './slotservice/allocator.ts';
import { createSlotsService } from './slotservice/grpc.ts';

const NAME = 'castai-pod-pinner';
const LEAVE_MS = 10_000;

const run = async (o: Options, signal: AbortSignal): Promise<void> => {
  checkRemote(remoteOf(o));
  const tls = verbTlsOf(o);
  const registry = new Registry();
  const log = createLogger({ component: NAME, level: o.logLevel, onProblem: countProblems(registry) });
  const metrics = extenderMetrics(registry);
  const identity = o.podName || `${hostname()}-${process.pid}`;
  const client = connect({
    ...(o.kubeconfig && { kubeconfig: o.kubeconfig }),
    qps: o.qps,
    burst: o.burst,
    userAgent: NAME,
    env: process.env,
  });
  const pods = createCache({ client, resource: PODS, indexes: POD_INDEXES, log, metrics: registry });
  const nodes = createCache({ client, resource: NODES, log, metrics: registry });
  const allocator = new SlotAllocator({ log, now: Date.now });
  const counter = new SideCounter({ client, log, now: Date.now });
  let leader: Leader | undefined;
  const holdLimits = { timeoutMs: o.pinHoldTimeout, longestMs: o.pinHoldLimit };
  const gateReleaser = new GateReleaser({
    client,
    log,
    metrics: registry,
    judge: createGateReleasePolicy({
      limits: holdLimits,
      ownTaints: OWN_TAINTS,
      gate: PIN_GATE,
    }),
    nodeOf: async (name) => nodes.get(name),
    lease: { namespace: o.podNamespace, name: o.leaseName },
    identity,
    now: Date.now,
  });

  const health = await serveHealth({
    port: o.healthPort,
    host: o.host,
    ready: () => (pods.hasSynced && nodes.hasSynced ? true : 'the caches are not filled yet'),
    registry,
    log,
  });
  const peers = await servePeers({
    client,
    host: o.peerHost,
    advertise: o.podIp,
    port: o.peerPort,
    callers: peerCallersOf(o, POD_PINNER_WEBHOOK),
    metrics: registry,
    services: [
      {
        definition: loadPinningServices().slots,
        implementation: createSlotsService(allocator, counter),
      },
    ],
    log,
  });
  const app = createExtenderServer({ leader: () => leader, log, ...(tls && { tls }), metrics: registry });
  if (tls) await followVerbFiles(app.server as Server, tls.files, { signal, log });
  if (!tls?.callers) log.info('extender verbs answer any caller that reaches them: see VERBS_CLIENT_CA_FILE');
  await app.listen({ host: o.host, port: o.port });

  const token = peerToken({
    client,
    ...(o.peerTokenFile && { tokenFile: o.peerTokenFile }),
    namespace: o.podNamespace,
    serviceAccount: o.serviceAccount,
  });
  const dial = o.grpcUrl
    ? dialExternal(remoteOf(o), o)
    : dialLeader(client, { namespace: o.podNamespace, name: o.autoscalerLease }, token);

  pods.start(signal);
  nodes.start(signal);
  const stopping = new AbortController();
  const releasing = gateReleaser.run(stopping.signal);
  try {
    const [{ features }] = await Promise.all([
      followFeatures({
        client,
        log,
        namespace: o.podNamespace,
        watched: o.featuresWatchNamespaces,
        name: o.dynamicConfigMapName,
        signal,
      }),
      pods.synced(signal),
      nodes.synced(signal),
    ]);
    const enabled = {
      isOn: () => isEnabled(features.current(), 'podPinner', o.podPinnerEnabled),
      onChange: features.onChange,
    };
    await runElected({
      client,
      namespace: o.podNamespace,
      name: o.leaseName,
      identity,
      leaseDurationMs: o.leaseDuration,
      renewDeadlineMs: o.renewDeadline,
      retryPeriodMs: o.retryPeriod,
      annotations: peers.annotations,
      signal,
      log,
      onLeader: (leading, fenced) =>
        lead({
          client: fenced,
          pods,
          nodes,
          dial,
          clientId: identity,
          clusterId: o.clusterId,
          signal: leading,
          log,
          registry,
          metrics,
          onState: (next) => {
            leader = next && { state: next, client: fenced, signal: leading, observe: metrics.pinned };
            allocator.lead(next);
            counter.lead(next);
          },
          now: Date.now,
          enabled,
          keepRefusedMs: o.keepRefused,
          holdLimits,
          schedulers: o.schedulerNames,
        }),
    });
    // The Lease is released by now; the last replica to stop also removes the gates of held pods.
    await gateReleaser.leave(AbortSignal.timeout(LEAVE_MS));
  } finally {
    stopping.abort();
    await releasing;
    await Promise.all([app.close(), peers.close(), health.close()]);
    client.close();
  }
};

await runMain(
  async ({ signal }) =>
    run(parse(options, { argv: process.argv.slice(2), env: process.env, name: NAME }), signal),
  { component: NAME },
);
