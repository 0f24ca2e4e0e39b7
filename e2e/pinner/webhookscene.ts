import { spawnSync } from 'node:child_process';
import type { KubeObject, MutatingWebhookConfiguration } from '../../api/objects.ts';
import type { RebalancePlan } from '../../api/rebalanceplan.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, REBALANCE_PLANS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client.ts';
import { Component } from './fixture.ts';

export interface Configuration {
  readonly name: string;
  readonly port: number;
  /** Namespace whose pods are sent to the webhook; no other suite's are. */
  readonly workload: string;
  readonly failurePolicy?: 'Ignore' | 'Fail';
  readonly reinvocationPolicy?: 'Never' | 'IfNeeded';
}

/** The webhook as the API server knows it, reached at a port of loopback. */
export const configure = async (client: KubeClient, o: Configuration): Promise<void> => {
  await client.create<MutatingWebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
    metadata: { name: o.name },
    webhooks: [
      {
        name: 'pods.pinning.autoscaling.cast.ai',
        clientConfig: { url: `https://127.0.0.1:${o.port}/mutate` },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': o.workload } },
        failurePolicy: o.failurePolicy ?? 'Ignore',
        reinvocationPolicy: o.reinvocationPolicy ?? 'IfNeeded',
        sideEffects: 'NoneOnDryRun',
        timeoutSeconds: 3,
        admissionReviewVersions: ['v1'],
      },
    ],
  });
};

/** A plan that moves pods of these owners, in this state. */
export const plan = async (
  client: KubeClient,
  name: string,
  owners: readonly KubeObject[],
  state: 'Running' | 'Done' = 'Running',
): Promise<void> => {
  const podsToMigrate = owners.map(({ metadata }) => ({
    name: `${metadata.name}-old`,
    namespace: metadata.namespace ?? '',
    dstNodeClaimName: 'claim',
    owner: { kind: 'ReplicaSet', name: metadata.name, uid: metadata.uid ?? '' },
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

/** The webhook as a process that keeps its certificate for loopback. */
export const startWebhook = (
  o: {
    readonly namespace: string;
    readonly name: string;
    readonly port: number;
    readonly configuration: string;
  },
  env: Readonly<Record<string, string>> = {},
): Component =>
  new Component('webhook/main.ts', {
    POD_NAMESPACE: o.namespace,
    POD_NAME: o.name,
    HOST: '127.0.0.1',
    PORT: String(o.port),
    HEALTH_PORT: '0',
    EXTRA_NAMES: '127.0.0.1',
    CONFIGURATION: o.configuration,
    SHUTDOWN_DELAY: '500ms',
    LOG_LEVEL: 'debug',
    ...env,
  });

/** Sends a process a signal by its pid. */
export const signalProcess = (pid: number | undefined, name: string): void => {
  if (pid !== undefined) spawnSync('kill', [`-${name}`, String(pid)]);
};
