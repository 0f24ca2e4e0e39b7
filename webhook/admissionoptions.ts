import { type Features, isEnabled } from '../api/features.ts';
import { bool } from '../kube/component/options.ts';

/** The option that turns pinning at admission on and off, for the webhook and for what keeps its configuration. */
export const pinningAtAdmissionOptions = () => ({
  podPinnerWebhookEnabled: bool
    .default(true)
    .meta({ description: 'pin pods at admission, unless a ConfigMap of features says otherwise' }),
});

/** Whether pods are pinned at admission now. Slots come from the pod pinner: without it, or with soft pins, the webhook has none. */
export const isPinningAtAdmissionEnabled = (
  features: Features,
  o: { readonly podPinnerWebhookEnabled: boolean },
): boolean =>
  isEnabled(features, 'podPinnerWebhook', o.podPinnerWebhookEnabled) &&
  isEnabled(features, 'podPinner', true) &&
  !isEnabled(features, 'softPins', false);
