import { hostname } from 'node:os';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { loadPinningServices } from '../api/pinning.ts';
import { connect } from '../kube/client/client.ts';
import { remoteOf } from '../kube/component/componentoptions.ts';
import { serveHealth } from '../kube/component/health.ts';
import { createLogger } from '../kube/component/log.ts';
import { runMain } from '../kube/component/main.ts';
import { parse } from '../kube/component/options.ts';
import { runElected } from '../kube/election/election.ts';
import { OptionsError } from '../kube/errors.ts';
import { createConfigMapCaches } from '../kube/features/configmaps.ts';
import { servePeers } from '../kube/grpc/peer.ts';
import { checkRemote } from '../kube/grpc/remote.ts';
import { areSynced, createCaches, startCaches } from './caches.ts';
import { createAwsCloud } from './cloud/aws.ts';
import type { Cloud } from './cloud/cloud.ts';
import { readFileCloud } from './cloud/file.ts';
import { processReader } from './cloud/processreader.ts';
import { createGateReleaser } from './gatereleaser.ts';
import { lead } from './leader.ts';
import { type Options, options as schema } from './options.ts';
import { PinningServer } from './pinning/server.ts';
import { measurePlans } from './savings/metrics.ts';

const NAME = 'castai-kentroller';
const PINNER = 'castai-pod-pinner';
const LEAVE_MS = 10_000;

const openCloud = async (
  options: Options,
  o: { readonly log: ReturnType<typeof createLogger>; readonly signal: AbortSignal },
): Promise<Cloud> => {
  if (options.instanceTypesFilePath) return readFileCloud(options.instanceTypesFilePath);
  const region = options.awsRegion || options.awsDefaultRegion;
  if (!region) {
    throw new OptionsError(
      '--aws-region (AWS_REGION) is required: the region of the cluster, such as us-west-2; or set --instance-types-file-path',
    );
  }
  return createAwsCloud({
    ...o,
    reader: processReader({ region, vmMemoryOverhead: options.vmMemoryOverheadPercent }),
    pricesEveryMs: options.priceRefreshPeriod,
    spotEveryMs: options.spotPriceRefreshPeriod,
  });
};

await runMain(
  async ({ signal }) => {
    const options = parse(schema, { argv: process.argv.slice(2), env: process.env, name: NAME });
    if (options.apiUrl && !options.clusterId) {
      throw new OptionsError(
        '--cluster-id (CLUSTER_ID) is required with --api-url (API_URL): the name that the API knows this cluster by',
      );
    }
    checkRemote(remoteOf(options));
    const log = createLogger({ component: NAME, level: options.logLevel });
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const client = connect({
      ...(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {}),
      qps: options.qps,
      burst: options.burst,
      userAgent: NAME,
      env: process.env,
    });
    const caches = createCaches({ client, log, metrics: registry });
    measurePlans(caches.plans, registry);
    const watched = options.featuresWatchNamespaces;
    const configMaps = createConfigMapCaches({
      client,
      log,
      namespaces: watched.length > 0 ? watched : [options.podNamespace],
      name: options.dynamicConfigMapName,
    });
    const health = await serveHealth({
      host: options.host,
      port: options.healthPort,
      ready: () => areSynced(caches) || 'what the API server has is not read yet',
      registry,
      log,
    });
    const cloud = await openCloud(options, { log, signal });
    const pinning = new PinningServer(log);
    const callers =
      options.peerCallers.length > 0
        ? options.peerCallers
        : [`system:serviceaccount:${options.podNamespace}:${PINNER}`];
    const peers = await servePeers({
      client,
      host: options.peerHost,
      advertise: options.podIp,
      port: options.peerPort,
      callers,
      services: [{ definition: loadPinningServices().pinning, implementation: pinning.implementation }],
      log,
    });
    const lifter = createGateReleaser({ client, caches, options, log, metrics: registry });
    const ended = new AbortController();
    const lifting = lifter.run(ended.signal);
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
        signal,
        log,
        onLeader: (leading, fenced) =>
          lead({
            options,
            client: fenced,
            caches,
            configMaps,
            cloud,
            pinning,
            registry,
            log,
            signal: leading,
          }),
      });
      await lifter.leave(AbortSignal.timeout(LEAVE_MS));
    } finally {
      ended.abort();
      await lifting;
      await peers.close();
      await health.close();
      client.close();
    }
  },
  { component: NAME },
);
