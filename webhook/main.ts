import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { PIN_GATE, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER, PREPARING_TAINT } from '../api/labels.ts';
import { isRunning } from '../api/plans.ts';
import { controllerOf } from '../api/pods.ts';
import {
  AUTOSCALER_POLICIES,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  REBALANCE_PLANS,
  SECRETS,
} from '../api/resources.ts';
import { linkedController } from '../kube/abort.ts';
import { createCache } from '../kube/cache/cache.ts';
import { connect } from '../kube/client/client.ts';
import { serveHealth } from '../kube/component/health.ts';
import { createLogger } from '../kube/component/log.ts';
import { runMain } from '../kube/component/main.ts';
import { counter, countProblems } from '../kube/component/metrics.ts';
import { parse } from '../kube/component/options.ts';
import { followFeatures } from '../kube/features/follow.ts';
import { peerToken } from '../kube/grpc/peer.ts';
import { GateReleaser, nodesByName } from '../kube/heldpods/gatereleaser.ts';
import { watchCoexistingWebhooks } from '../kube/otherwebhooks.ts';
import { createGateReleasePolicy } from '../planner/pinning/gatepolicy.ts';
import { isPinningAtAdmissionEnabled } from './admissionoptions.ts';
import { commonBundleOf } from './certificates/commonbundle.ts';
import { commonPathOf } from './certificates/path.ts';
import type { Leaf } from './certificates/rotation.ts';
import { readLeaf } from './certificates/secrets.ts';
import { isTrusted, readCertificate } from './certificates/x509.ts';
import { type Options, options } from './options.ts';
import { indexMovedOwners, trimPlan } from './planindex.ts';
import { createWebhookServer } from './server.ts';
import { SlotsClient } from './slots/client.ts';
import { readSpotRules } from './spot/rules.ts';

const NAME = POD_PINNER_WEBHOOK;
/** Time for the gate releaser to finish at shutdown. */
const RELEASER_LEAVE_MS = 10_000;
/** Delay of log lines, so that many are written at once: each pinned pod logs one, and waits for none. */
const LOG_DELAY_MS = 100;
/** Time between two reads of a node that held pods wait for. */
const NODE_READ_INTERVAL_MS = 2_500;

const run = async (o: Options, stopping: AbortSignal): Promise<void> => {
  const registry = new Registry();
  const log = createLogger({
    component: NAME,
    level: o.logLevel,
    gatherMs: LOG_DELAY_MS,
    onProblem: countProblems(registry),
  });
  const reviews = counter(registry, 'pod_pinner_webhook_reviews_total', 'Reviews answered', ['outcome']);
  const sides = counter(registry, 'pod_pinner_webhook_sides_total', 'Reviews of pods for spot or on-demand', [
    'outcome',
  ]);
  const shutdown = new AbortController();
  const { signal } = shutdown;
  const client = connect({
    ...(o.kubeconfig && { kubeconfig: o.kubeconfig }),
    qps: o.qps,
    burst: o.burst,
    userAgent: NAME,
    env: process.env,
  });
  const common = { client, log, metrics: registry };
  const leaves = createCache({
    ...common,
    resource: SECRETS,
    namespace: o.podNamespace,
    fieldSelector: `metadata.name=${o.leafSecret}`,
  });
  const policies = createCache({ ...common, resource: AUTOSCALER_POLICIES, isOptional: true });
  const plans = createCache({ ...common, resource: REBALANCE_PLANS, trim: trimPlan });
  const configurations = createCache({
    ...common,
    resource: MUTATING_WEBHOOK_CONFIGURATIONS,
    fieldSelector: `metadata.name=${o.configuration}`,
  });
  const { features } = await followFeatures({
    client,
    log,
    namespace: o.podNamespace,
    watched: o.featuresWatchNamespaces,
    name: o.dynamicConfigMapName,
    signal: linkedController(signal, stopping).controller.signal,
  });
  const isPinningEnabled = (): boolean => isPinningAtAdmissionEnabled(features.current(), o);
  const isOwnerMoved = indexMovedOwners(plans);
  const otherConfigurations = createCache({ ...common, resource: MUTATING_WEBHOOK_CONFIGURATIONS });
  const isCoexisting = watchCoexistingWebhooks(otherConfigurations, {
    own: o.configuration,
    harmless: o.harmlessWebhooks,
    log,
  });
  const lease = { namespace: o.podNamespace, name: o.pinnerLease };
  const gateReleaser = new GateReleaser({
    ...common,
    judge: createGateReleasePolicy({
      limits: { timeoutMs: o.pinHoldTimeout, longestMs: o.pinHoldLimit },
      ownTaints: new Set([PREPARING_TAINT]),
      gate: PIN_GATE,
      isMoved: (pod) => {
        const owner = controllerOf(pod);
        if (!owner) return false;
        return !plans.hasSynced || (isPinningEnabled() && isOwnerMoved(owner, pod.metadata.namespace));
      },
    }),
    nodeOf: nodesByName(client, { now: Date.now, everyMs: NODE_READ_INTERVAL_MS }),
    lease,
    identity: '',
    now: Date.now,
  });
  const slots = new SlotsClient({
    client,
    lease,
    token: peerToken({
      client,
      ...(o.peerTokenFile && { tokenFile: o.peerTokenFile }),
      namespace: o.podNamespace,
      serviceAccount: o.serviceAccount,
    }),
    timeoutMs: o.takeTimeout,
    now: Date.now,
  });
  // Connect when a plan starts, so that its first pod does not wait for it.
  plans.onChange(({ type, object }) => {
    if (type === 'delete' || !isRunning(object)) return;
    slots.connect().catch((err: unknown) => log.debug({ err }, 'no connection to the pod pinner yet'));
  });
  const server = createWebhookServer({
    log,
    metrics: registry,
    admission: {
      ownNamespace: o.podNamespace,
      schedulers: o.schedulerNames,
      isOwnerMoved: (owner, namespace) => isPinningEnabled() && isOwnerMoved(owner, namespace),
      isCoexisting: (namespace) =>
        o.coexistence === 'on' || (o.coexistence === 'auto' && isCoexisting(namespace)),
      take: slots.take,
      log,
      observe: (outcome) => reviews.inc({ outcome }),
    },
    spot: {
      ownNamespace: o.podNamespace,
      schedulers: o.schedulerNames,
      rules: readSpotRules(policies, features.current),
      choose: slots.choose,
      log,
      observe: (outcome) => sides.inc({ outcome }),
    },
  });

  let servedLeaf: Leaf | undefined;
  leaves.onChange(({ type, object }) => {
    const leaf = type === 'delete' ? undefined : readLeaf(object);
    if (!leaf) return;
    server.setPaths(leaf.paths);
    const isNew = leaf.cert !== servedLeaf?.cert;
    servedLeaf = leaf;
    if (!isNew) return;
    server.setCertificate(leaf);
    log.info({ validTo: readCertificate(leaf.cert)?.validTo }, 'certificate loaded');
  });
  const ready = (): true | string => {
    if (stopping.aborted) return 'the webhook is shutting down';
    if (!plans.hasSynced) return 'the RebalancePlans are not listed yet';
    const leaf = readCertificate(servedLeaf?.cert);
    if (!leaf) return `there is no certificate yet: ${POD_PINNER_WEBHOOK_KEEPER} creates it`;
    const configuration = configurations.get(o.configuration);
    if (!isTrusted(leaf, commonBundleOf(configuration), Date.now()))
      return 'the caBundle of the MutatingWebhookConfiguration does not match the certificate yet';
    return (
      servedLeaf?.paths.includes(commonPathOf(configuration)) ||
      'the path of the MutatingWebhookConfiguration is not served yet'
    );
  };

  const health = await serveHealth({ port: o.healthPort, host: o.host, ready, registry, log });
  for (const cache of [leaves, plans, policies, configurations]) cache.start(signal);
  if (o.coexistence === 'auto') otherConfigurations.start(signal);
  const releasing = gateReleaser.run(signal);
  await server.app.listen({ host: o.host, port: o.port });
  const stop = async (): Promise<void> => {
    if (!stopping.aborted) {
      await new Promise((resolve) => stopping.addEventListener('abort', resolve, { once: true }));
    }
    // Readiness fails from here on: connections move to the other replica while this one still answers.
    server.startDraining();
    await Promise.all([sleep(o.shutdownDelay), gateReleaser.leave(AbortSignal.timeout(RELEASER_LEAVE_MS))]);
    shutdown.abort();
  };
  try {
    await stop();
  } finally {
    shutdown.abort();
    await releasing;
    await server.app.close();
    slots.close();
    await health.close();
    client.close();
  }
};

await runMain(
  async ({ signal }) =>
    run(parse(options, { argv: process.argv.slice(2), env: process.env, name: NAME }), signal),
  { component: NAME },
);
