import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { isEnabled } from '../api/features.ts';
import { PIN_GATE, PREPARING_TAINT } from '../api/labels.ts';
import { isRunning } from '../api/plans.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, REBALANCE_PLANS, SECRETS } from '../api/resources.ts';
import { linkedController } from '../kube/abort.ts';
import { createCache } from '../kube/cache/cache.ts';
import { connect } from '../kube/client/client.ts';
import { serveHealth } from '../kube/component/health.ts';
import { createLogger } from '../kube/component/log.ts';
import { runMain } from '../kube/component/main.ts';
import { counter } from '../kube/component/metrics.ts';
import { parse } from '../kube/component/options.ts';
import { runControllers } from '../kube/controller/controller.ts';
import { runElected } from '../kube/election/election.ts';
import { followFeatures } from '../kube/features/follow.ts';
import { peerToken } from '../kube/grpc/peer.ts';
import { GateReleaser, nodesByName } from '../kube/heldpods/gatereleaser.ts';
import { createGateReleasePolicy } from '../planner/pinning/gatepolicy.ts';
import { certificates, liveBundle } from './certificates/controller.ts';
import { readLeaf } from './certificates/secrets.ts';
import { isTrusted, type Pair, readCertificate } from './certificates/x509.ts';
import { door } from './matchcondition.ts';
import { type Options, options } from './options.ts';
import { watchMeddling } from './otherwebhooks.ts';
import { runningOwners, trimPlan } from './planindex.ts';
import { webhookServer } from './server.ts';
import { Pinner } from './slots/client.ts';

const NAME = 'castai-pod-pinner-webhook';
const LEAVE_MS = 10_000;
/** A line for each pod that is pinned: written many at once, so that no pod waits for it. */
const LOG_MS = 100;
/** A node that a held pod waits for is asked for once in so many milliseconds. */
const NODE_MS = 2_500;

const namesOf = ({ service, podNamespace, extraNames }: Options): readonly string[] => [
  `${service}.${podNamespace}.svc`,
  `${service}.${podNamespace}.svc.cluster.local`,
  `${service}.${podNamespace}`,
  ...extraNames,
];

const run = async (o: Options, stopping: AbortSignal): Promise<void> => {
  const log = createLogger({ component: NAME, level: o.logLevel, gatherMs: LOG_MS });
  const registry = new Registry();
  const reviews = counter(registry, 'pod_pinner_webhook_reviews_total', 'Reviews answered', ['outcome']);
  const ended = new AbortController();
  const { signal } = ended;
  const client = connect({
    ...(o.kubeconfig ? { kubeconfig: o.kubeconfig } : {}),
    qps: o.qps,
    burst: o.burst,
    userAgent: NAME,
    env: process.env,
  });
  const common = { client, log, metrics: registry };
  const secret = (name: string) =>
    createCache({
      ...common,
      resource: SECRETS,
      namespace: o.podNamespace,
      fieldSelector: `metadata.name=${name}`,
    });
  const leaves = secret(o.leafSecret);
  const plans = createCache({ ...common, resource: REBALANCE_PLANS, trim: trimPlan });
  const configurations = createCache({
    ...common,
    resource: MUTATING_WEBHOOK_CONFIGURATIONS,
    fieldSelector: `metadata.name=${o.configuration}`,
  });
  const { features, configMaps } = await followFeatures({
    client,
    log,
    namespace: o.podNamespace,
    watched: o.featuresWatchNamespaces,
    name: o.dynamicConfigMapName,
    signal: linkedController(signal, stopping).controller.signal,
  });
  // Without the pod pinner there is nobody to give places.
  const isOn = (): boolean =>
    isEnabled(features.current(), 'podPinnerWebhook', o.podPinnerWebhookEnabled) &&
    isEnabled(features.current(), 'podPinner', true);
  const isMoved = runningOwners(plans);
  const others = createCache({ ...common, resource: MUTATING_WEBHOOK_CONFIGURATIONS });
  const isMeddling = watchMeddling(others, { own: o.configuration, harmless: o.harmlessWebhooks, log });
  const lease = { namespace: o.podNamespace, name: o.pinnerLease };
  const lifter = new GateReleaser({
    ...common,
    judge: createGateReleasePolicy({
      limits: { timeoutMs: o.pinHoldTimeout, longestMs: o.pinHoldLimit },
      ownTaints: new Set([PREPARING_TAINT]),
      gate: PIN_GATE,
      isMoved: (uid) => !plans.hasSynced || (isOn() && isMoved(uid)),
    }),
    nodeOf: nodesByName(client, { now: Date.now, everyMs: NODE_MS }),
    lease,
    identity: '',
    now: Date.now,
  });
  const pinner = new Pinner({
    client,
    lease,
    token: peerToken({
      client,
      ...(o.peerTokenFile ? { tokenFile: o.peerTokenFile } : {}),
      namespace: o.podNamespace,
      serviceAccount: o.serviceAccount,
    }),
    timeoutMs: o.takeTimeout,
    now: Date.now,
  });
  // The first pod of a plan does not wait for the search for the leader.
  plans.onChange(({ type, object }) => {
    if (type === 'delete' || !isRunning(object)) return;
    pinner.warm().catch((err: unknown) => log.debug({ err }, 'the pod pinner could not be reached yet'));
  });
  const server = webhookServer({
    log,
    admission: {
      ownNamespace: o.podNamespace,
      isMoved: (owner) => isOn() && isMoved(owner),
      isCoexisting: (namespace) =>
        o.coexistence === 'on' || (o.coexistence === 'auto' && isMeddling(namespace)),
      take: pinner.take,
      log,
      observe: (outcome) => reviews.inc({ outcome }),
    },
  });

  let served: Pair | undefined;
  leaves.onChange(({ type, object }) => {
    const leaf = type === 'delete' ? undefined : readLeaf(object);
    if (!leaf || leaf.cert === served?.cert) return;
    server.load(leaf);
    served = leaf;
    log.info({ validTo: readCertificate(leaf.cert)?.validTo }, 'certificate loaded');
  });
  const ready = (): true | string => {
    if (stopping.aborted) return 'it is told to stop';
    if (!plans.hasSynced) return 'the plans are not known yet';
    const leaf = readCertificate(served?.cert);
    if (!leaf) return 'there is no certificate yet';
    const bundle = liveBundle(configurations.get(o.configuration));
    return isTrusted(leaf, bundle, Date.now()) || 'the API server does not trust the certificate yet';
  };

  const health = await serveHealth({ port: o.healthPort, host: o.host, ready, registry, log });
  for (const cache of [leaves, plans, configurations]) cache.start(signal);
  if (o.coexistence === 'auto') others.start(signal);
  const lifting = lifter.run(signal);
  await server.app.listen({ host: o.host, port: o.port });
  const chores = runElected({
    client,
    namespace: o.podNamespace,
    name: o.leaseName,
    identity: o.podName || `${hostname()}-${process.pid}`,
    leaseDurationMs: o.leaseDuration,
    renewDeadlineMs: o.renewDeadline,
    retryPeriodMs: o.retryPeriod,
    signal,
    log,
    onLeader: (leading, fenced) =>
      runControllers({
        controllers: [
          certificates({
            client: fenced,
            namespace: o.podNamespace,
            authorityName: o.authoritySecret,
            leafName: o.leafSecret,
            configurationName: o.configuration,
            authorities: secret(o.authoritySecret),
            leaves,
            configurations,
            policy: { names: namesOf(o), settleMs: o.settle, retireMs: o.retire },
            authorityDays: o.authorityDays,
            leafDays: o.leafDays,
            now: Date.now,
            log,
          }),
          door({
            client: fenced,
            configurationName: o.configuration,
            plans,
            configurations,
            isEnabled: isOn,
            configMaps,
            log,
          }),
        ],
        signal: leading,
        log,
        metrics: registry,
      }),
  });
  const stop = async (): Promise<void> => {
    if (!stopping.aborted) {
      await new Promise((resolve) => stopping.addEventListener('abort', resolve, { once: true }));
    }
    // Unready first: the API server's connections move to the other replica while this one still answers.
    server.leave();
    await Promise.all([sleep(o.shutdownDelay), lifter.leave(AbortSignal.timeout(LEAVE_MS))]);
    ended.abort();
  };
  try {
    await Promise.all([stop(), chores]);
  } finally {
    ended.abort();
    await lifting;
    await server.app.close();
    pinner.close();
    await health.close();
    client.close();
  }
};

await runMain(
  async ({ signal }) =>
    run(parse(options, { argv: process.argv.slice(2), env: process.env, name: NAME }), signal),
  { component: NAME },
);
