import { MUTATING_WEBHOOK_CONFIGURATIONS } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';

/** Name of our installed MutatingWebhookConfiguration. */
export const CONFIGURATION = 'castai-pod-pinner-webhook';

/** Points the installed webhook configuration at a process on this machine instead of a Service. */
export const callHere = async (client: KubeClient, host: string, port: number): Promise<void> => {
  const url = `https://${host}:${port}/mutate`;
  const found = await client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: CONFIGURATION });
  const webhooks = (found.webhooks ?? []).map((webhook) => {
    const { service: _, ...clientConfig } = webhook.clientConfig;
    return { ...webhook, clientConfig: { ...clientConfig, url } };
  });
  await client.replace(MUTATING_WEBHOOK_CONFIGURATIONS, { ...found, webhooks });
};
