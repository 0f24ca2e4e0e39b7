import type { MutatingWebhookConfiguration } from '../../api/objects.ts';

/** The caBundle that all webhooks of a configuration share, PEM; empty when they differ or have none. */
export const commonBundleOf = (configuration: MutatingWebhookConfiguration | undefined): string => {
  const bundles = new Set(
    configuration?.webhooks?.map(({ clientConfig }) => clientConfig.caBundle ?? '') ?? [],
  );
  const [bundle] = bundles;
  return bundles.size === 1 && bundle ? Buffer.from(bundle, 'base64').toString() : '';
};
