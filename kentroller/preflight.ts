import { setTimeout as sleep } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { KENTROLLER } from '../api/labels.ts';
import type { KubeObject } from '../api/objects.ts';
import { AUTO_NODE_CLASSES, DEPLOYMENTS, EC2_NODE_CLASSES } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import type { Logger } from '../kube/component/log.ts';
import { gauge } from '../kube/component/metrics.ts';
import { createRecorder, type Recorder } from '../kube/controller/events.ts';
import { isAborted, messageOf } from '../kube/errors.ts';
import { type Check, type Found, look } from '../kube/preflight/check.ts';
import type { MissingRights, Reading } from '../kube/preflight/facts.ts';
import { gatherServer, poolFactOf } from '../kube/preflight/gather.ts';
import { checkRights } from '../kube/preflight/installation.ts';
import { checkPools, checkServed } from '../kube/preflight/karpenter.ts';
import { checkKinds } from '../kube/preflight/kinds.ts';
import { checkKubernetes } from '../kube/preflight/kubernetes.ts';
import {
  askOneself,
  grantedRights,
  missingInRules,
  type OwnRules,
  type Right,
  readOwnRules,
  rightText,
} from '../kube/preflight/rights.ts';
import { poolBlocker } from '../planner/model/nodepool.ts';
import type { Caches } from './caches.ts';

/** How often the checks are done again, so that what was mended is no longer told. */
const EVERY_MS = 600_000;
/** A namespace in which we have no Role: its rules are those for the whole cluster. */
const ELSEWHERE = 'default';

const ofAccount = (right: Right): boolean => right.account === KENTROLLER;

/** The rights that this pod's account lacks. Where an authorizer can't list its rules, those not listed are asked for one by one. */
export const ownMissingRights = async (
  { client, signal }: Reading,
  namespace: string,
): Promise<MissingRights> => {
  const rights = grantedRights(namespace).filter(ofAccount);
  const missingAt = async (where: string): Promise<readonly Right[]> => {
    const rules: OwnRules = await readOwnRules(client, where, signal);
    const asked = rights.filter((right) => (right.namespace ?? ELSEWHERE) === where);
    const missing = missingInRules(asked, rules);
    return rules.incomplete ? await askOneself(client, missing, signal) : missing;
  };
  const missing = [...(await missingAt(ELSEWHERE)), ...(await missingAt(namespace))];
  return new Map([[KENTROLLER, missing.map(rightText)]]);
};

/** The checks of `precision-packer check` that kentroller's own rights allow it. */
export const readChecks = async (
  o: Reading & {
    readonly caches: Pick<Caches, 'nodePools' | 'ec2NodeClasses' | 'autoNodeClasses'>;
    readonly namespace: string;
    /** Whether the client's account is our ServiceAccount, and not that of a kubeconfig. */
    readonly isPod: boolean;
  },
): Promise<readonly Check[]> => {
  const { caches } = o;
  const [server, missing] = await Promise.all([
    gatherServer(o),
    o.isPod ? look(() => ownMissingRights(o, o.namespace)) : undefined,
  ]);
  const classes = new Map([
    [EC2_NODE_CLASSES.kind, caches.ec2NodeClasses.list()],
    [AUTO_NODE_CLASSES.kind, caches.autoNodeClasses.list()],
  ]);
  const pools: Found<ReturnType<typeof poolFactOf>[]> = {
    value: caches.nodePools.list().map((pool) => poolFactOf(pool, classes, poolBlocker)),
  };
  return [
    ...checkKubernetes(server.version),
    ...checkServed(server),
    ...checkPools({ pools }),
    ...checkKinds(server.schemas),
    ...(missing ? checkRights(missing) : []),
  ];
};

interface Reporting {
  readonly recorder: Recorder;
  readonly registry: Registry;
  readonly log: Logger;
}

/** Tells what checks found, each finding once: log, event on our Deployment, metric. */
export const createReport = ({
  recorder,
  registry,
  log,
}: Reporting): ((checks: readonly Check[], about?: KubeObject) => void) => {
  const lacking = gauge(
    registry,
    'kentroller_preflight_lacks',
    'What the cluster lacks for us, by check: 0 when nothing, none where it is unknown',
    ['check'],
  );
  const unseen = gauge(
    registry,
    'kentroller_preflight_unknown',
    'Checks that could not be done: what the cluster lacks there is unknown',
    ['check'],
  );
  let told = new Set<string>();
  return (checks, about) => {
    lacking.reset();
    unseen.reset();
    for (const { name, state } of checks) {
      unseen.inc({ check: name }, state === 'unknown' ? 1 : 0);
      if (state !== 'unknown') lacking.inc({ check: name }, state === 'lacks' ? 1 : 0);
    }
    const found = checks.filter(({ state }) => state === 'lacks' || state === 'unknown');
    for (const { name, state, message } of found) {
      if (told.has(message)) continue;
      const text = state === 'lacks' ? 'the cluster lacks something' : 'a check could not be done';
      log.warn({ check: name, reason: message }, text);
      if (state === 'lacks' && about)
        recorder.event(DEPLOYMENTS, about, 'Warning', 'PreflightLacks', message);
    }
    if (told.size > 0 && found.length === 0) {
      log.info('the cluster lacks nothing any more');
      if (about)
        recorder.event(DEPLOYMENTS, about, 'Normal', 'PreflightPassed', 'The cluster lacks nothing any more');
    }
    told = new Set(found.map(({ message }) => message));
  };
};

/** Checks the cluster now and every ten minutes until the signal aborts; what fails here stops nothing. */
export const runPreflight = async (o: {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly namespace: string;
  readonly isPod: boolean;
  readonly registry: Registry;
  readonly log: Logger;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { client, namespace, log, signal } = o;
  const report = createReport({
    ...o,
    recorder: createRecorder({ client, component: KENTROLLER, log }),
  });
  while (!signal.aborted) {
    try {
      const checks = await readChecks(o);
      const deployment = o.isPod
        ? await look(() => client.get(DEPLOYMENTS, { name: KENTROLLER, namespace }, { signal }))
        : undefined;
      report(checks, deployment && 'value' in deployment ? deployment.value : undefined);
    } catch (error) {
      if (!isAborted(error)) log.warn({ reason: messageOf(error) }, 'the cluster could not be checked');
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
  }
};
