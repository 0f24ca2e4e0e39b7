import { isGated, otherGates } from '../api/heldpods.ts';
import { PIN } from '../api/labels.ts';
import type { OwnerReference, Pod } from '../api/objects.ts';
import { ownerToPlaceFor } from '../api/pods.ts';

type Owner = Pick<OwnerReference, 'kind' | 'name' | 'uid'>;

/** Whether a running plan moves pods of this owner in this namespace; in any one when that is undefined. */
export type IsOwnerMoved = (owner: Owner, namespace: string | undefined) => boolean;

export type Eligibility =
  | { readonly kind: 'eligible'; readonly owner: OwnerReference }
  | { readonly kind: 'skipped'; readonly reason: string };

const skip = (reason: string): Eligibility => ({ kind: 'skipped', reason });

/** Decides whether a running plan may have a slot for a pod that is being created. */
export const eligibilityOf = (
  pod: Pod,
  namespace: string,
  o: {
    readonly ownNamespace: string;
    readonly isOwnerMoved: IsOwnerMoved;
    /** The namespace of a probe pod, which stands in for a pod of its owner elsewhere. */
    readonly probedIn?: string;
    /** Names of the schedulers whose pods are pinned; our own when left out. */
    readonly schedulers?: readonly string[];
  },
): Eligibility => {
  if (namespace === 'kube-system') return skip('pods in kube-system are never pinned');
  if (namespace === o.ownNamespace && namespace !== o.probedIn) return skip('our own pods are never pinned');
  // Reinvocation: a pod that we pinned comes again after another webhook changed it.
  const mayBeOurs = pod.metadata.annotations?.[PIN] !== undefined;
  if (pod.spec.nodeName && !mayBeOurs) return skip('it already has a node');
  const owner = ownerToPlaceFor(pod, o.schedulers);
  if (typeof owner === 'string') return skip(owner);
  if (!o.isOwnerMoved(owner, namespace === o.probedIn ? undefined : namespace))
    return skip('no running plan moves pods of its owner');
  if (otherGates(pod).length > 0 && !mayBeOurs) return skip('it has scheduling gates of others');
  if (isGated(pod) && !mayBeOurs) return skip('it already has our gate');
  return { kind: 'eligible', owner };
};
