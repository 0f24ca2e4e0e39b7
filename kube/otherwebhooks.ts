import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import type { Cache } from './cache/cache.ts';
import type { Logger } from './component/log.ts';

/**
 * Configurations whose webhooks change pods, but not which nodes a pod fits on: identities, sidecars, resource
 * requests, readiness gates. Reinvocation shows us these changes.
 */
export const HARMLESS_WEBHOOKS: readonly string[] = [
  'pod-identity-webhook',
  'aws-load-balancer-webhook',
  'azure-wi-webhook-mutating-webhook-configuration',
  'istio-sidecar-injector',
  'linkerd-proxy-injector-webhook-config',
  'vault-agent-injector-cfg',
  'vpa-webhook-config',
  'cert-manager-webhook',
];

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly operations?: readonly string[];
  readonly resources?: readonly string[];
}

const hasAny = (list: readonly string[] | undefined, ...values: readonly string[]): boolean =>
  list?.some((each) => values.includes(each)) ?? false;

const matchesPodCreation = ({ apiGroups, operations, resources }: Rule): boolean =>
  hasAny(apiGroups, '', '*') &&
  hasAny(operations, 'CREATE', '*') &&
  hasAny(resources, 'pods', 'pods/*', '*', '*/*');

interface Requirement {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

interface Webhook {
  readonly rules?: readonly Rule[];
  readonly namespaceSelector?: {
    readonly matchLabels?: Readonly<Record<string, string>>;
    readonly matchExpressions?: readonly Requirement[];
  };
}

const NAMESPACE_NAME_LABEL = 'kubernetes.io/metadata.name';

/** Namespaces that a webhook's selector lists by name; undefined when it may be called in any namespace. */
const namespacesOf = ({ namespaceSelector: selector }: Webhook): readonly string[] | undefined => {
  const name = selector?.matchLabels?.[NAMESPACE_NAME_LABEL];
  if (name !== undefined) return [name];
  return selector?.matchExpressions?.find(
    ({ key, operator }) => key === NAMESPACE_NAME_LABEL && operator === 'In',
  )?.values;
};

/** Webhooks of others that may change which nodes a pod fits on. */
export interface CoexistingWebhooks {
  /** Names of configurations that apply to every namespace, or to namespaces that can't be told by name. */
  readonly everywhere: readonly string[];
  /** Namespace to the name of a configuration that applies there. */
  readonly byNamespace: ReadonlyMap<string, string>;
}

/** Finds the configurations that may change new pods, but for our own and the harmless ones. */
export const findCoexistingWebhooks = (
  configurations: readonly MutatingWebhookConfiguration[],
  o: { readonly own: string; readonly harmless: readonly string[] },
): CoexistingWebhooks => {
  const everywhere: string[] = [];
  const byNamespace = new Map<string, string>();
  for (const { metadata, webhooks } of configurations) {
    if (metadata.name === o.own || o.harmless.includes(metadata.name)) continue;
    for (const webhook of (webhooks ?? []) as readonly Webhook[]) {
      if (!webhook.rules?.some(matchesPodCreation)) continue;
      const namespaces = namespacesOf(webhook);
      if (!namespaces) everywhere.push(metadata.name);
      for (const namespace of namespaces ?? []) byNamespace.set(namespace, metadata.name);
    }
  }
  return { everywhere: [...new Set(everywhere)].sort(), byNamespace };
};

/** Follows the configurations; the returned function tells whether another webhook may change pods of a namespace. */
export const watchCoexistingWebhooks = (
  configurations: Cache<MutatingWebhookConfiguration>,
  o: { readonly own: string; readonly harmless: readonly string[]; readonly log: Logger },
): ((namespace: string) => boolean) => {
  let current: CoexistingWebhooks = { everywhere: [], byNamespace: new Map() };
  let logged = '';
  configurations.onChange(() => {
    current = findCoexistingWebhooks(configurations.list(), o);
    const by = [...new Set([...current.everywhere, ...current.byNamespace.values()])].sort();
    if (by.join() === logged) return;
    logged = by.join();
    if (by.length > 0) o.log.info({ by }, 'other webhooks may change pods: pins are held until after them');
    else o.log.info('no other webhook changes where pods fit');
  });
  // Unknown counts as present, so that no pod is assigned too early.
  return (namespace) =>
    !configurations.hasSynced || current.everywhere.length > 0 || current.byNamespace.has(namespace);
};
