import { hostname } from 'node:os';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { KENTROLLER, POD_PINNER } from '../api/labels.ts';
import { loadPinningServices } from '../api/pinning.ts';
import { createAwsCloud } from '../cloud/aws/awscloud.ts';
import { listedFactsOf } from '../cloud/aws/listprices.ts';
import { processReader } from '../cloud/aws/processreader.ts';
import type { Cloud } from '../cloud/cloud.ts';
import { readFileCloud } from '../cloud/filecloud.ts';
import { connect } from '../kube/client/client.ts';
import { peerCallersOf, remoteOf } from '../kube/component/componentoptions.ts';
import { serveHealth } from '../kube/component/health.ts';
import { createLogger } from '../kube/component/log.ts';
import { runMain } from '../kube/component/main.ts';
import { countProblems } from '../kube/component/metrics.ts';
import { parse } from '../kube/component/options.ts';
import { runElected } from '../kube/election/election.ts';
import { OptionsError } from '../kube/errors.ts';
import { createConfigMapCaches } from '../kube/features/configmaps.ts';
import { servePeers } from '../kube/grpc/peer.ts';
import { checkRemote } from '../kube/grpc/remote.ts';
import { createGuards, NO_GUARDS } from '../kube/undo/guards.ts';
import { checkApi } from './audit/checkapi.ts';
import { areSynced, createCaches, startCaches } from './caches.ts';
import { createGateReleaser } from './gatereleaser.ts';
import { runLeader } from './leader.ts';
import { isLeavingForGood, untilUndone } from './leave.ts';
import { type Options, options as schema } from './options.ts';
import { PinningServer } from './pinning/server.ts';
import { servePolicies } from './policies/api/serve.ts';
import { runPreflight } from './preflight.ts';
import { registerPlanMetrics } from './savings/metrics.ts';
import { providerIDsIn, usesReservations } from './snapshot.ts';
import { checkPredictionApi } from './spotprediction/options.ts';
import { unheededOptions } from './unheeded.ts';

const NAME = KENTROLLER;
const PINNER = POD_PINNER;
/** Time to wait for another replica to take over held pods. */
const RELEASER_LEAVE_MS = 10_000;

const openCloud = async (
  options: Options,
  o: {
    readonly log: ReturnType<typeof createLogger>;
    readonly usesReservations: () => boolean | undefined;
    readonly machines: () => readonly string[] | undefined;
    readonly signal: AbortSignal;
  },
): Promise<Cloud> => {
  if (options.instanceTypesFilePath) return readFileCloud(options.instanceTypesFilePath);
  const region = options.awsRegion || options.awsDefaultRegion;
  if (!region) {
    throw new OptionsError(
      '--aws-region (AWS_REGION) is required: set the region of the cluster, such as us-west-2, or --instance-types-file-path',
    );
  }
  const vmMemoryOverhead = options.vmMemoryOverheadPercent;
  return createAwsCloud({
    ...o,
    region,
    reader: processReader({ region, vmMemoryOverhead }),
    ...(options.zonalShift && {
      zonalShift: {
        machines: o.machines,
        ...(options.eksClusterArn && { clusterArn: options.eksClusterArn }),
        ...(process.env.AWS_ENDPOINT_URL && { endpoint: process.env.AWS_ENDPOINT_URL }),
      },
    }),
    table: (zones) => listedFactsOf(region, zones, vmMemoryOverhead),
    pricesEveryMs: options.priceRefreshPeriod,
    spotEveryMs: options.spotPriceRefreshPeriod,
  });
};

await runMain(
  async ({ signal }) => {
    const options = parse(schema, { argv: process.argv.slice(2), env: process.env, name: NAME });
    checkApi(options);
    checkPredictionApi(options);
    checkRemote(remoteOf(options));
    const registry = new Registry();
    const log = createLogger({
      component: NAME,
      level: options.logLevel,
      onProblem: countProblems(registry),
    });
    for (const text of unheededOptions(options)) log.warn(text);
    collectDefaultMetrics({ register: registry });
    const client = connect({
      ...(options.kubeconfig && { kubeconfig: options.kubeconfig }),
      qps: options.qps,
      burst: options.burst,
      userAgent: NAME,
      env: process.env,
    });
    const caches = createCaches({ client, log, metrics: registry });
    registerPlanMetrics(caches.plans, registry);
    const { featuresWatchNamespaces } = options;
    const configMaps = createConfigMapCaches({
      client,
      log,
      namespaces: featuresWatchNamespaces.length > 0 ? featuresWatchNamespaces : [options.podNamespace],
      name: options.dynamicConfigMapName,
    });
    const health = await serveHealth({
      host: options.host,
      port: options.healthPort,
      ready: () => areSynced(caches) || 'the caches have not synced yet',
      registry,
      log,
    });
    const cloud = await openCloud(options, {
      log,
      usesReservations: () => (areSynced(caches) ? usesReservations(caches) : undefined),
      machines: () => (areSynced(caches) ? providerIDsIn(caches) : undefined),
      signal,
    });
    const pinning = new PinningServer(log);
    const peers = await servePeers({
      client,
      host: options.peerHost,
      advertise: options.podIp,
      port: options.peerPort,
      callers: peerCallersOf(options, PINNER),
      metrics: registry,
      services: [{ definition: loadPinningServices().pinning, implementation: pinning.implementation }],
      log,
    });
    const policies = await servePolicies({
      client,
      clusterId: options.clusterId,
      port: options.policiesPort,
      host: options.host,
      certFile: options.policiesCertFile,
      keyFile: options.policiesKeyFile,
      metrics: registry,
      log,
      signal,
    });
    const gateReleaser = createGateReleaser({ client, caches, options, log, metrics: registry });
    // A process with a kubeconfig is no pod: nothing of it is uninstalled, and nothing is to be kept for it.
    const isPod = options.kubeconfig === '' && options.podName !== '';
    const place = { namespace: options.podNamespace, podName: options.podName };
    const guards = isPod
      ? createGuards(client, { namespace: options.podNamespace, name: NAME, lease: options.leaseName })
      : NO_GUARDS;
    const leaving = new AbortController();
    const ending = new AbortController();
    const end = async (): Promise<void> => {
      if (isPod && (await isLeavingForGood(client, { ...place, guards }))) {
        leaving.abort();
        // The leader's term ends when all is undone; another replica stays a candidate until then.
        await term;
        await untilUndone(guards, ending.signal);
      }
      ending.abort();
    };
    let term: Promise<void> | undefined;
    signal.addEventListener('abort', () => void end(), { once: true });
    const ended = new AbortController();
    const releasing = gateReleaser.run(ended.signal);
    try {
      await startCaches(caches, configMaps, signal);
      await runElected({
        client,
        namespace: options.podNamespace,
        name: options.leaseName,
        identity: options.podName || `${hostname()}-${process.pid}`,
        leaseDurationMs: options.leaseDuration,
        renewDeadlineMs: options.renewDeadline,
        retryPeriodMs: options.retryPeriod,
        annotations: peers.annotations,
        signal: ending.signal,
        log,
        onLeader: (leading, fenced) => {
          const { podNamespace: namespace } = options;
          void runPreflight({ client: fenced, caches, namespace, isPod, registry, log, signal: leading });
          const leadership = runLeader({
            options,
            client: fenced,
            caches,
            configMaps,
            cloud,
            pinning,
            registry,
            log,
            signal: leading,
            guards,
            leaving: leaving.signal,
          });
          term = leadership.catch(() => {});
          return leadership;
        },
      });
      // A leader that left for good has released them.
      if (!leaving.signal.aborted) await gateReleaser.leave(AbortSignal.timeout(RELEASER_LEAVE_MS));
    } finally {
      ended.abort();
      await releasing;
      await peers.close();
      await policies?.close();
      await health.close();
      client.close();
    }
  },
  { component: NAME },
);
