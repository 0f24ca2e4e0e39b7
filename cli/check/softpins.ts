import { parseFeatures } from '../../api/features.ts';
import { KENTROLLER, SOFT_PINS_POLICY } from '../../api/labels.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { FEATURES_CONFIG_MAP } from '../../kube/features/record.ts';
import { getOrUndefined } from '../../kube/ignore.ts';
import { type Check, checkFound, type Found, fine, isSeen, lacks } from '../../kube/preflight/check.ts';
import type { FoundOutside, Reading, ServerVersion } from '../../kube/preflight/facts.ts';
import { minorOf } from '../../kube/preflight/kubernetes.ts';

/** From this minor version on, API servers serve MutatingAdmissionPolicies. */
const WITH_MUTATION = 36;

/** Whether kentroller has an admission policy steer pods: by the features in force, else by its settings. */
export const readSoftPins = async ({ client, signal }: Reading, namespace: string): Promise<boolean> => {
  const dataOf = async (name: string): Promise<Readonly<Record<string, string>>> =>
    (await getOrUndefined(client.get(CONFIG_MAPS, { name, namespace }, { signal })))?.data ?? {};
  const [settings, record] = await Promise.all([dataOf(KENTROLLER), dataOf(FEATURES_CONFIG_MAP)]);
  const features = parseFeatures({ 'config.yaml': record['effective.yaml'] ?? '' });
  const enabled = features.ok ? features.features.softPins?.enabled : undefined;
  return enabled ?? settings.PINNING === 'policy';
};

/** Nothing where pods are pinned by the webhook; else whether the API server has what steers them in its place. */
export const checkSoftPins = (o: {
  readonly isOn: Found<boolean>;
  readonly version: Found<ServerVersion>;
  readonly outside: Found<FoundOutside>;
}): readonly Check[] =>
  checkFound('soft-pins', 'Whether soft pins are on', o.isOn, (isOn) => {
    if (!isOn) return [];
    const { version, outside } = o;
    if (isSeen(version) && version.value.major === '1' && minorOf(version.value) < WITH_MUTATION) {
      return [
        lacks(
          `Kubernetes ${version.value.gitVersion} knows no MutatingAdmissionPolicies, so with PINNING=policy no pod is steered to its node: set PINNING to webhook, or update the control plane to 1.${WITH_MUTATION} or newer.`,
        ),
      ];
    }
    // What could not be read is told of all objects outside of the namespace.
    if (!isSeen(outside) || outside.value.unread.some(({ kind }) => kind === 'MutatingAdmissionPolicy'))
      return [];
    return outside.value.there.some(
      ({ resource, ref }) => resource.kind === 'MutatingAdmissionPolicy' && ref.name === SOFT_PINS_POLICY,
    )
      ? [fine(`New pods are steered to their nodes by the MutatingAdmissionPolicy ${SOFT_PINS_POLICY}.`)]
      : [
          lacks(
            `The MutatingAdmissionPolicy ${SOFT_PINS_POLICY} is missing, so with PINNING=policy no pod is steered to its node: install it, by dist/kustomize/overlays/soft-pins or by softPins.enabled of the chart precision-packer-crds, or set PINNING to webhook.`,
          ),
        ];
  });
