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
import { commonBundleOf } from './commonbundle.ts';
import { createAuthority, issueLeaf } from './issue.ts';
import { commonPathOf, pathPatch } from './path.ts';
import {
  type Authority,
  bundleOf,
  decideRotation,
  type RotationPolicy,
  type RotationState,
  type RotationStep,
  renewPaths,
} from './rotation.ts';
import { authorityData, leafData, readAuthority, readLeaf } from './secrets.ts';

export interface CertificateControllerOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly authorityName: string;
  readonly leafName: string;
  readonly configurationName: string;
  readonly authorities: Cache<Secret>;
  readonly leaves: Cache<Secret>;
  readonly configurations: Cache<MutatingWebhookConfiguration>;
  readonly policy: RotationPolicy;
  /** Lifetimes in days. */
  readonly authorityDays: number;
  readonly leafDays: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Logger;
}

/** The longest wait before the next check: setTimeout takes at most 24 days. */
const CHECK_INTERVAL_MS = 3_600_000;

const writeSecret = async (
  p: CertificateControllerOptions,
  current: Secret | undefined,
  name: string,
  data: Record<string, string>,
  signal: AbortSignal,
): Promise<void> => {
  const ref = { name, namespace: p.namespace };
  // The resourceVersion is the precondition: two writers never mix their keys.
  if (current) await p.client.replace(SECRETS, { ...current, data }, { signal });
  else await p.client.create(SECRETS, { metadata: ref, type: 'Opaque', data }, { signal });
};

/** One write for caBundle and path: no API server ever sees one without the other. */
const writeBundle = async (
  p: CertificateControllerOptions,
  { bundle, path }: Extract<RotationStep, { kind: 'write-bundle' }>,
  signal: AbortSignal,
): Promise<void> => {
  const configuration = p.configurations.get(p.configurationName);
  const value = Buffer.from(bundle).toString('base64');
  const operations = (configuration?.webhooks ?? []).flatMap((webhook, index) => [
    { op: 'test', path: `/webhooks/${index}/name`, value: webhook.name },
    { op: 'add', path: `/webhooks/${index}/clientConfig/caBundle`, value },
    ...(path === '' ? [] : pathPatch(`/webhooks/${index}/clientConfig`, webhook, path)),
  ]);
  const ref = { name: p.configurationName };
  await p.client.patch(MUTATING_WEBHOOK_CONFIGURATIONS, ref, operations, { type: 'json', signal });
};

const apply = async (
  p: CertificateControllerOptions,
  step: RotationStep,
  { authority, leaf, path }: Pick<RotationState, 'authority' | 'leaf' | 'path'>,
  signal: AbortSignal,
): Promise<void> => {
  const now = p.now();
  const authoritySecret = p.authorities.get(`${p.namespace}/${p.authorityName}`);
  const leafSecret = p.leaves.get(`${p.namespace}/${p.leafName}`);
  const store = (next: Authority): Promise<void> =>
    writeSecret(p, authoritySecret, p.authorityName, authorityData(next), signal);
  switch (step.kind) {
    case 'create-authority':
      return store({
        current: await createAuthority(now, p.authorityDays),
        next: undefined,
        previous: step.previous,
      });
    case 'create-next':
      return store({ ...authority, next: await createAuthority(now, p.authorityDays) });
    case 'promote-next':
      return store({
        current: authority.next,
        next: undefined,
        previous: (authority.current?.cert ?? '') + authority.previous,
      });
    case 'remove-previous':
      return store({ ...authority, previous: '' });
    case 'write-bundle':
      return writeBundle(p, step, signal);
    case 'issue-leaf': {
      if (!authority.current) return;
      const keyPair = await issueLeaf(authority.current, p.policy.names, now, p.leafDays);
      const data = leafData({ ...keyPair, paths: renewPaths(leaf, path) });
      return writeSecret(p, leafSecret, p.leafName, data, signal);
    }
    case 'remove-path': {
      if (!leaf) return;
      const data = leafData({ ...leaf, paths: leaf.paths.slice(0, 1) });
      return writeSecret(p, leafSecret, p.leafName, data, signal);
    }
    case 'wait':
      return;
    default:
      return step satisfies never;
  }
};

/** A text and when this process first saw it. */
interface Sighting {
  readonly text: string;
  readonly since: number;
}

const updateSighting = (last: Sighting | undefined, text: string, now: number): Sighting =>
  last?.text === text ? last : { text, since: now };

/** Creates, renews and rotates the webhook's certificates, one write at a time. Runs in the leader alone. */
export const createCertificateController = (p: CertificateControllerOptions): Controller => {
  const KEY = 'certificates';
  let bundleSighting: Sighting | undefined;
  let pathSighting: Sighting | undefined;
  let leafSighting: Sighting | undefined;
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
        p.log.warn(
          { configuration: p.configurationName },
          'MutatingWebhookConfiguration not found or empty: install it, pods are not pinned at admission until then',
        );
        bundleSighting = undefined;
        pathSighting = undefined;
        leafSighting = undefined;
        return awaitChange;
      }
      const authority = readAuthority(p.authorities.get(`${p.namespace}/${p.authorityName}`));
      const leaf = readLeaf(p.leaves.get(`${p.namespace}/${p.leafName}`));
      const bundle = commonBundleOf(configuration);
      bundleSighting =
        bundle === bundleOf(authority) ? updateSighting(bundleSighting, bundle, now) : undefined;
      const path = commonPathOf(configuration);
      pathSighting = updateSighting(pathSighting, path, now);
      leafSighting = leaf ? updateSighting(leafSighting, leaf.cert, now) : undefined;
      const state: RotationState = {
        ...{ authority, leaf, bundle, path, now },
        bundleSince: bundleSighting?.since,
        pathSince: pathSighting.since,
        leafSince: leafSighting?.since,
      };
      const step = decideRotation(state, p.policy);
      await apply(p, step, state, signal);
      if (step.kind === 'wait') return requeue(Math.max(1, Math.min(step.until - now, CHECK_INTERVAL_MS)));
      p.log.info({ step: step.kind, reason: step.reason }, 'certificate rotation step done');
      // The write comes back as a change.
      return awaitChange;
    },
  };
};
