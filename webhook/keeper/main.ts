import { hostname } from 'node:os';
import { POD_PINNER_WEBHOOK_KEEPER } from '../../api/labels.ts';
import {
  AUTOSCALER_POLICIES,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  REBALANCE_PLANS,
  SECRETS,
} from '../../api/resources.ts';
import { createCache } from '../../kube/cache/cache.ts';
import { connect } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { runMain } from '../../kube/component/main.ts';
import { parse } from '../../kube/component/options.ts';
import { runControllers } from '../../kube/controller/controller.ts';
import { runElected } from '../../kube/election/election.ts';
import { followFeatures } from '../../kube/features/follow.ts';
import { isPinningAtAdmissionEnabled } from '../admissionoptions.ts';
import { createCertificateController } from '../certificates/controller.ts';
import { createMatchConditionController } from '../matchcondition.ts';
import { trimPlan } from '../planindex.ts';
import { readSpotRules } from '../spot/rules.ts';
import { type Options, options } from './options.ts';

const NAME = POD_PINNER_WEBHOOK_KEEPER;

/** DNS names and IP addresses of the served certificate. */
const serverNamesOf = ({ service, podNamespace, extraNames }: Options): readonly string[] => [
  `${service}.${podNamespace}.svc`,
  `${service}.${podNamespace}.svc.cluster.local`,
  `${service}.${podNamespace}`,
  ...extraNames,
];

const run = async (o: Options, signal: AbortSignal): Promise<void> => {
  const log = createLogger({ component: NAME, level: o.logLevel });
  const client = connect({
    ...(o.kubeconfig && { kubeconfig: o.kubeconfig }),
    qps: o.qps,
    burst: o.burst,
    userAgent: NAME,
    env: process.env,
  });
  // No metrics and no health checks: what listens on no port can't be taken over through one.
  const common = { client, log };
  const secretCache = (name: string) =>
    createCache({
      ...common,
      resource: SECRETS,
      namespace: o.podNamespace,
      fieldSelector: `metadata.name=${name}`,
    });
  const policies = createCache({ ...common, resource: AUTOSCALER_POLICIES, isOptional: true });
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
    signal,
  });
  const spotRules = readSpotRules(policies, features.current);
  for (const cache of [plans, policies, configurations]) cache.start(signal);
  try {
    await runElected({
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
            createCertificateController({
              client: fenced,
              namespace: o.podNamespace,
              authorityName: o.authoritySecret,
              leafName: o.leafSecret,
              configurationName: o.configuration,
              authorities: secretCache(o.authoritySecret),
              leaves: secretCache(o.leafSecret),
              configurations,
              policy: { names: serverNamesOf(o), settleMs: o.settle, retireMs: o.retire },
              authorityDays: o.authorityDays,
              leafDays: o.leafDays,
              now: Date.now,
              log,
            }),
            createMatchConditionController({
              client: fenced,
              configurationName: o.configuration,
              plans,
              configurations,
              isEnabled: () => isPinningAtAdmissionEnabled(features.current(), o),
              configMaps,
              hasSpotRules: () => spotRules() !== undefined,
              policies,
              log,
            }),
          ],
          signal: leading,
          log,
        }),
    });
  } finally {
    client.close();
  }
};

await runMain(
  async ({ signal }) =>
    run(parse(options, { argv: process.argv.slice(2), env: process.env, name: NAME }), signal),
  { component: NAME },
);
