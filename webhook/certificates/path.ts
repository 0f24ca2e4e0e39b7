import { randomBytes } from 'node:crypto';
import type { MutatingWebhookConfiguration } from '../../api/objects.ts';

/**
 * The path of admission has a random part: the API server presents no certificate, so that knowing the path is what
 * tells it from a stranger in the cluster. See docs/designs/0025-doors.md.
 */

type Webhook = NonNullable<MutatingWebhookConfiguration['webhooks']>[number];
type ClientConfig = Webhook['clientConfig'];

/** The path of releases without a random part. */
export const LEGACY_PATH = '/mutate';

/** Behind a path: reviews that send pods to spot or on-demand, instead of pinning them. */
const SPOT_SUFFIX = '/spot';

/** The path of the reviews that send pods to spot or on-demand. */
export const spotPathOf = (path: string): string => `${path}${SPOT_SUFFIX}`;

/** Whether a webhook of our configuration sends pods to spot or on-demand: its name says so. */
export const isSpotWebhook = ({ name }: Pick<Webhook, 'name'>): boolean => name.startsWith('spot.');

const RANDOM_BYTES = 16;

export const createPath = (): string => `${LEGACY_PATH}/${randomBytes(RANDOM_BYTES).toString('hex')}`;

/** True for a path that createPath made. */
export const isRandomPath = (path: string): boolean =>
  new RegExp(`^${LEGACY_PATH}/[0-9a-f]{${2 * RANDOM_BYTES}}$`).test(path);

const pathOf = ({ url, service }: ClientConfig): string => {
  if (service) return service.path ?? '';
  return url !== undefined && URL.canParse(url) ? new URL(url).pathname : '';
};

/** The path of a webhook without its suffix; one without the suffix that it should have is no path of ours. */
const basePathOf = (webhook: Webhook): string => {
  const path = pathOf(webhook.clientConfig);
  if (!isSpotWebhook(webhook)) return path;
  return path.endsWith(SPOT_SUFFIX) ? path.slice(0, -SPOT_SUFFIX.length) : '';
};

/** The path that all webhooks of a configuration are called at, each with its suffix; empty when they differ or have none. */
export const commonPathOf = (configuration: MutatingWebhookConfiguration | undefined): string => {
  const paths = new Set(configuration?.webhooks?.map(basePathOf) ?? []);
  const [path = ''] = paths;
  return paths.size === 1 ? path : '';
};

/** The patch of one webhook's clientConfig, at this JSON pointer, that has it called at a path. */
export const pathPatch = (
  pointer: string,
  webhook: Webhook,
  base: string,
): readonly { readonly op: 'add'; readonly path: string; readonly value: string }[] => {
  const { url, service } = webhook.clientConfig;
  const path = isSpotWebhook(webhook) ? spotPathOf(base) : base;
  if (service) return [{ op: 'add', path: `${pointer}/service/path`, value: path }];
  if (url === undefined || !URL.canParse(url)) return [];
  return [{ op: 'add', path: `${pointer}/url`, value: new URL(path, url).href }];
};
