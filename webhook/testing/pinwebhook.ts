import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import type { MutatingWebhookConfiguration } from '../../api/objects.ts';

const MANIFEST = new URL('../../manifests/base/webhook/configuration.yaml', import.meta.url);

/** The installed webhook that pins, without the one for spot beside it, as for an installation in this namespace. */
export const readPinWebhook = (
  namespace: string = INSTALL_NAMESPACE,
): NonNullable<MutatingWebhookConfiguration['webhooks']>[number] => {
  const text = readFileSync(MANIFEST, 'utf8').replaceAll(INSTALL_NAMESPACE, namespace);
  const { webhooks = [] } = parse(text) as MutatingWebhookConfiguration;
  const found = webhooks.find(({ name }) => name.startsWith('pin.'));
  if (!found) throw new Error('manifests/base/webhook/configuration.yaml has no webhook pin.*');
  return found;
};
