import type { MutatingWebhookConfiguration } from '../api/objects.ts';
import type { Cache } from '../kube/cache/cache.ts';
import type { Logger } from '../kube/component/log.ts';

/**
 * Configurations whose webhooks change pods, but not where a pod fits: identities, sidecars, resource requests,
 * readiness gates. What they change, this webhook sees when it is called again.
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

const isForNewPods = ({ apiGroups, operations, resources }: Rule): boolean =>
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

const NAME = 'kubernetes.io/metadata.name';

/** Namespaces that a webhook is bound to by name; undefined when it may be called in any. */
const namespacesOf = ({ namespaceSelector: selector }: Webhook): readonly string[] | undefined => {
  const name = selector?.matchLabels?.[NAME];
  if (name !== undefined) return [name];
  return selector?.matchExpressions?.find(({ key, operator }) => key === NAME && operator === 'In')?.values;
};

/** Where another webhook may change what a pod selects or tolerates: everywhere, or in namespaces by name. */
export interface Meddling {
  readonly everywhere: readonly string[];
  readonly inNamespace: ReadonlyMap<string, string>;
}

/** Which configurations may change where new pods fit; `harmless` are known not to. */
export const meddlingOf = (
  configurations: readonly MutatingWebhookConfiguration[],
  o: { readonly own: string; readonly harmless: readonly string[] },
): Meddling => {
  const everywhere: string[] = [];
  const inNamespace = new Map<string, string>();
  for (const { metadata, webhooks } of configurations) {
    if (metadata.name === o.own || o.harmless.includes(metadata.name)) continue;
    for (const webhook of (webhooks ?? []) as readonly Webhook[]) {
      if (!webhook.rules?.some(isForNewPods)) continue;
      const namespaces = namespacesOf(webhook);
      if (!namespaces) everywhere.push(metadata.name);
      for (const namespace of namespaces ?? []) inNamespace.set(namespace, metadata.name);
    }
  }
  return { everywhere: [...new Set(everywhere)].sort(), inNamespace };
};

/** Keeps up with the configurations, and answers whether one of them meddles with pods of a namespace. */
export const watchMeddling = (
  configurations: Cache<MutatingWebhookConfiguration>,
  o: { readonly own: string; readonly harmless: readonly string[]; readonly log: Logger },
): ((namespace: string) => boolean) => {
  let now: Meddling = { everywhere: [], inNamespace: new Map() };
  let said = '';
  configurations.onChange(() => {
    now = meddlingOf(configurations.list(), o);
    const by = [...new Set([...now.everywhere, ...now.inNamespace.values()])].sort();
    if (by.join() === said) return;
    said = by.join();
    if (by.length > 0) o.log.info({ by }, 'other webhooks may change pods: pins are held until after them');
    else o.log.info('no other webhook changes where pods fit');
  });
  // Until it is known who else is there, somebody may be.
  return (namespace) =>
    !configurations.hasSynced || now.everywhere.length > 0 || now.inNamespace.has(namespace);
};
