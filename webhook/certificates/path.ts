import { randomBytes } from 'node:crypto';
import type { MutatingWebhookConfiguration } from '../../api/objects.ts';

/**
 * The path of admission has a random part: the API server presents no certificate, so that knowing the path is what
 * tells it from a stranger in the cluster. See docs/designs/0025-doors.md.
 */

type ClientConfig = NonNullable<MutatingWebhookConfiguration['webhooks']>[number]['clientConfig'];

/** The path of releases without a random part. */
export const LEGACY_PATH = '/mutate';

const RANDOM_BYTES = 16;

export const createPath = (): string => `${LEGACY_PATH}/${randomBytes(RANDOM_BYTES).toString('hex')}`;

/** True for a path that createPath made. */
export const isRandomPath = (path: string): boolean =>
  new RegExp(`^${LEGACY_PATH}/[0-9a-f]{${2 * RANDOM_BYTES}}$`).test(path);

const pathOf = ({ url, service }: ClientConfig): string => {
  if (service) return service.path ?? '';
  return url !== undefined && URL.canParse(url) ? new URL(url).pathname : '';
};

/** The path that all webhooks of a configuration are called at; empty when they differ or have none. */
export const commonPathOf = (configuration: MutatingWebhookConfiguration | undefined): string => {
  const paths = new Set(configuration?.webhooks?.map(({ clientConfig }) => pathOf(clientConfig)) ?? []);
  const [path = ''] = paths;
  return paths.size === 1 ? path : '';
};

/** The patch of one webhook's clientConfig, at this JSON pointer, that has it called at a path. */
export const pathPatch = (
  pointer: string,
  { url, service }: ClientConfig,
  path: string,
): readonly { readonly op: 'add'; readonly path: string; readonly value: string }[] => {
  if (service) return [{ op: 'add', path: `${pointer}/service/path`, value: path }];
  if (url === undefined || !URL.canParse(url)) return [];
  return [{ op: 'add', path: `${pointer}/url`, value: new URL(path, url).href }];
};
