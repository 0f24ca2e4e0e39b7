import type { MutatingWebhookConfiguration } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { NEVER_MATCHES } from '../../webhook/matchcondition.ts';
import { readPinWebhook } from '../../webhook/testing/pinwebhook.ts';

interface Conditioned {
  readonly matchConditions?: readonly { readonly name: string }[];
}

/**
 * The installed webhook that pins, called by URL, for one namespace, and always: the match condition that keeps calls off
 * without a plan is managed by our webhook alone, so the echo would never be called.
 */
export const configure = async (
  client: KubeClient,
  o: { readonly name: string; readonly webhook: string; readonly url: string; readonly workload: string },
  caBundle?: string,
): Promise<void> => {
  const installed = readPinWebhook();
  await client.create<MutatingWebhookConfiguration>(MUTATING_WEBHOOK_CONFIGURATIONS, {
    metadata: { name: o.name },
    webhooks: [
      {
        ...installed,
        name: o.webhook,
        clientConfig: { url: o.url, ...(caBundle ? { caBundle } : {}) },
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': o.workload } },
        matchConditions: (installed as Conditioned).matchConditions?.filter(
          ({ name }) => name !== NEVER_MATCHES.name,
        ),
      },
    ],
  });
};
