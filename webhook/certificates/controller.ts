import type { MutatingWebhookConfiguration, Secret } from '../../api/objects.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, SECRETS } from '../../api/resources.ts';
import type { Cache } from '../../kube/cache/cache.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import {
  type Action,
  awaitChange,
  type Controller,
  requeue,
  watches,
} from '../../kube/controller/controller.ts';
import { type Authority, bundleOf, decideRotation, type Policy, type Step } from './rotation.ts';
import { authorityData, leafData, readAuthority, readLeaf } from './secrets.ts';
import { makeAuthority, makeLeaf } from './x509.ts';

export interface CertificateParts {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly authorityName: string;
  readonly leafName: string;
  readonly configurationName: string;
  readonly authorities: Cache<Secret>;
  readonly leaves: Cache<Secret>;
  readonly configurations: Cache<MutatingWebhookConfiguration>;
  readonly policy: Policy;
  readonly authorityDays: number;
  readonly leafDays: number;
  readonly now: () => number;
  readonly log: Logger;
}

/** A date far away is looked at again at least this often: timers hold no more than 24 days. */
const LOOK_AGAIN_MS = 3_600_000;

/** The caBundle that all webhooks of a configuration share; empty when they differ or have none. */
export const liveBundle = (configuration: MutatingWebhookConfiguration | undefined): string => {
  const bundles = new Set(
    configuration?.webhooks?.map(({ clientConfig }) => clientConfig.caBundle ?? '') ?? [],
  );
  const [bundle] = bundles;
  return bundles.size === 1 && bundle ? Buffer.from(bundle, 'base64').toString() : '';
};

const writeSecret = async (
  p: CertificateParts,
  known: Secret | undefined,
  name: string,
  data: Record<string, string>,
  signal: AbortSignal,
): Promise<void> => {
  const ref = { name, namespace: p.namespace };
  // The resourceVersion that was read is the precondition: two writers never mix their keys.
  if (known) await p.client.replace(SECRETS, { ...known, data }, { signal });
  else await p.client.create(SECRETS, { metadata: ref, type: 'Opaque', data }, { signal });
};

const writeBundle = async (p: CertificateParts, bundle: string, signal: AbortSignal): Promise<void> => {
  const configuration = p.configurations.get(p.configurationName);
  const value = Buffer.from(bundle).toString('base64');
  const operations = (configuration?.webhooks ?? []).flatMap(({ name }, at) => [
    { op: 'test', path: `/webhooks/${at}/name`, value: name },
    { op: 'add', path: `/webhooks/${at}/clientConfig/caBundle`, value },
  ]);
  const ref = { name: p.configurationName };
  await p.client.patch(MUTATING_WEBHOOK_CONFIGURATIONS, ref, operations, { type: 'json', signal });
};

const carryOut = async (
  p: CertificateParts,
  step: Step,
  authority: Authority,
  signal: AbortSignal,
): Promise<void> => {
  const now = p.now();
  const authoritySecret = p.authorities.get(`${p.namespace}/${p.authorityName}`);
  const leafSecret = p.leaves.get(`${p.namespace}/${p.leafName}`);
  const store = (next: Authority): Promise<void> =>
    writeSecret(p, authoritySecret, p.authorityName, authorityData(next), signal);
  switch (step.kind) {
    case 'make-authority':
      return store({
        current: await makeAuthority(now, p.authorityDays),
        next: undefined,
        previous: step.previous,
      });
    case 'make-next':
      return store({ ...authority, next: await makeAuthority(now, p.authorityDays) });
    case 'promote':
      return store({
        current: authority.next,
        next: undefined,
        previous: (authority.current?.cert ?? '') + authority.previous,
      });
    case 'retire':
      return store({ ...authority, previous: '' });
    case 'write-bundle':
      return writeBundle(p, step.bundle, signal);
    case 'issue-leaf': {
      if (!authority.current) return;
      const leaf = await makeLeaf(authority.current, p.policy.names, now, p.leafDays);
      return writeSecret(p, leafSecret, p.leafName, leafData(leaf), signal);
    }
    case 'rest':
      return;
    default:
      return step satisfies never;
  }
};

/** A text and since when this process has seen it stand there. */
interface Seen {
  readonly text: string;
  readonly since: number;
}

const see = (last: Seen | undefined, text: string, now: number): Seen =>
  last?.text === text ? last : { text, since: now };

/** Makes, renews and rotates the webhook's certificates, one write at a time. Run by one replica. */
export const certificates = (p: CertificateParts): Controller => {
  const KEY = 'certificates';
  let settled: Seen | undefined;
  let served: Seen | undefined;
  return {
    name: 'certificate.rotate',
    sources: [
      watches(p.authorities, () => [KEY]),
      watches(p.leaves, () => [KEY]),
      watches(p.configurations, () => [KEY]),
    ],
    reconcile: async (_key, signal): Promise<Action> => {
      const configuration = p.configurations.get(p.configurationName);
      const now = p.now();
      if (!configuration?.webhooks?.length) {
        p.log.warn({ configuration: p.configurationName }, 'the webhook is not configured at the API server');
        settled = undefined;
        served = undefined;
        return awaitChange;
      }
      const authority = readAuthority(p.authorities.get(`${p.namespace}/${p.authorityName}`));
      const leaf = readLeaf(p.leaves.get(`${p.namespace}/${p.leafName}`));
      const bundle = liveBundle(configuration);
      settled = bundle === bundleOf(authority) ? see(settled, bundle, now) : undefined;
      served = leaf ? see(served, leaf.cert, now) : undefined;
      const since = { bundleSince: settled?.since, leafSince: served?.since };
      const step = decideRotation({ authority, leaf, bundle, ...since, now }, p.policy);
      await carryOut(p, step, authority, signal);
      if (step.kind === 'rest') return requeue(Math.max(1, Math.min(step.until - now, LOOK_AGAIN_MS)));
      p.log.info({ step: step.kind, reason: step.reason }, 'webhook certificates');
      // The write comes back through the watch.
      return awaitChange;
    },
  };
};
