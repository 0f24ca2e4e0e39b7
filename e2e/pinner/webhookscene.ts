import { spawnSync } from 'node:child_process';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { KubeObject, MutatingWebhookConfiguration } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { paced } from '../../kube/testing/pace.ts';
import { Component, type Line } from './component.ts';
import { ownHost } from './fixture.ts';

export interface Configuration {
  readonly name: string;
  readonly port: number;
  /** The namespace whose pods go to the webhook; no other suite uses it. */
  readonly workload: string;
  /** Our own namespace, where a suite creates probe pods. */
  readonly probes?: string;
  readonly failurePolicy?: 'Ignore' | 'Fail';
  readonly reinvocationPolicy?: 'Never' | 'IfNeeded';
}

const metricsOf = async (client: KubeClient): Promise<string> => {
  const answer = await client.stream('/metrics', {
    query: {},
    signal: AbortSignal.timeout(paced(10_000)),
    inactivityMs: 10_000,
  });
  let text = '';
  for await (const chunk of answer.setEncoding('utf8')) text += chunk;
  return text;
};

/** The webhook's name in the API server's metrics. */
export const webhookName = (configuration: string): string => `${configuration}.pins.example.com`;

/** Number of calls of a webhook by the API server so far. */
export const callsOf = async (client: KubeClient, configuration: string): Promise<number> => {
  const text = await metricsOf(client);
  return text
    .split('\n')
    .filter((line) => line.startsWith('apiserver_admission_webhook_request_total{'))
    .filter((line) => line.includes(`name="${webhookName(configuration)}"`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
};

/** A webhook of a configuration, at a port of loopback, for the pods that are created in these namespaces. */
export const podWebhook = (
  name: string,
  o: Pick<Configuration, 'port' | 'failurePolicy' | 'reinvocationPolicy'> & {
    readonly namespaces: readonly string[];
    readonly timeoutSeconds?: number;
  },
) => ({
  name,
  clientConfig: { url: `https://${ownHost}:${o.port}/mutate` },
  rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
  namespaceSelector: {
    matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: o.namespaces }],
  },
  failurePolicy: o.failurePolicy ?? 'Ignore',
  reinvocationPolicy: o.reinvocationPolicy ?? 'IfNeeded',
  sideEffects: 'NoneOnDryRun',
  timeoutSeconds: o.timeoutSeconds ?? 3,
  admissionReviewVersions: ['v1'],
});

/** The webhook's configuration in the API server. */
export const configure = async (client: KubeClient, o: Configuration): Promise<void> => {
  const namespaces = [o.workload, ...(o.probes === undefined ? [] : [o.probes])];
  await client.create<MutatingWebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
    metadata: { name: o.name },
    webhooks: [podWebhook(webhookName(o.name), { ...o, namespaces })],
  });
};

/** A plan that moves pods of these owners, in this state. */
export const plan = async (
  client: KubeClient,
  name: string,
  owners: readonly KubeObject[],
  state: 'Running' | 'Done' = 'Running',
): Promise<void> => {
  const podsToMigrate = owners.map(({ kind = 'ReplicaSet', metadata }) => ({
    name: `${metadata.name}-old`,
    namespace: metadata.namespace ?? '',
    dstNodeClaimName: 'claim',
    owner: { kind, name: metadata.name, uid: metadata.uid ?? '' },
  }));
  await client.create<RebalancePlan>(REBALANCE_PLANS, {
    metadata: { name },
    spec: { execute: false, podsToMigrate },
  });
  await setState(client, name, state);
};

export const setState = async (client: KubeClient, name: string, state: string): Promise<void> => {
  await client.patch(REBALANCE_PLANS, { name }, { status: { state } }, { subresource: 'status' });
};

interface WebhookProcess {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  readonly configuration: string;
}

const envOf = (o: WebhookProcess): Record<string, string> => ({
  POD_NAMESPACE: o.namespace,
  POD_NAME: o.name,
  HOST: ownHost,
  PORT: String(o.port),
  HEALTH_PORT: '0',
  EXTRA_NAMES: ownHost,
  CONFIGURATION: o.configuration,
  SHUTDOWN_DELAY: '500ms',
  LOG_LEVEL: 'debug',
});

/** What keeps the webhook's certificates and configuration, as a process. */
export const startKeeper = (
  o: WebhookProcess,
  env: Readonly<Record<string, string>> = {},
  lines: Line[] = [],
): Component => new Component('webhook/keeper/main.ts', { ...envOf(o), ...env }, [], lines);

/** The webhook as a process that serves a certificate which somebody else keeps. */
export const startServing = (o: WebhookProcess, env: Readonly<Record<string, string>> = {}): Component =>
  new Component('webhook/main.ts', { ...envOf(o), ...env });

/** The webhook as a process, and its keeper as another one, with one log. They end together. */
class KeptWebhook extends Component {
  readonly #keeper: Component;

  constructor(o: WebhookProcess, env: Readonly<Record<string, string>>) {
    super('webhook/main.ts', { ...envOf(o), ...env });
    this.#keeper = startKeeper(o, env, this.lines);
  }

  override async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string | null> {
    const [code] = await Promise.all([super.stop(signal), this.#keeper.stop(signal)]);
    return code;
  }
}

/** The webhook with its keeper, for loopback. */
export const startWebhook = (o: WebhookProcess, env: Readonly<Record<string, string>> = {}): Component =>
  new KeptWebhook(o, env);

/** Sends a process a signal by its pid. */
export const signalProcess = (pid: number | undefined, name: string): void => {
  if (pid !== undefined) spawnSync('kill', [`-${name}`, String(pid)]);
};
