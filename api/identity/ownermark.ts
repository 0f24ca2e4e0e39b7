import type { KubeObject } from '../objects.ts';
import { valueAt } from '../records/valueat.ts';

/**
 * Marks: annotations that name the object which put them there as 'name/uid'. The uid tells apart an object that was
 * made later under the same name.
 */

type Owner = Pick<KubeObject, 'metadata'>;

/** The value of the owner's marks. */
export const ownerMark = ({ metadata }: Owner): string => `${metadata.name}/${metadata.uid ?? ''}`;

/** Name and uid of a mark; undefined without a mark, or for a text that is none. */
export const parseOwnerMark = (
  text: string | undefined,
): { readonly name: string; readonly uid: string } | undefined => {
  const at = text?.indexOf('/') ?? -1;
  return text === undefined || at < 1 ? undefined : { name: text.slice(0, at), uid: text.slice(at + 1) };
};

/** True when the annotation is the owner's mark. */
export const isMarkedBy = (owner: Owner, object: KubeObject, annotation: string): boolean =>
  valueAt(object.metadata.annotations, annotation) === ownerMark(owner);

/** The owner in whose name node consolidation marks a NodeClaim as in use, so that no plan takes it. */
export const consolidationOwner = ({ metadata: { uid } }: Owner): Owner => ({
  metadata: { name: 'node-consolidation', ...(uid !== undefined && { uid }) },
});

/** The mark of another owner; undefined where there is none. */
export const foreignMark = (owner: Owner, object: KubeObject, annotation: string): string | undefined => {
  const mark = valueAt(object.metadata.annotations, annotation);
  return mark === ownerMark(owner) ? undefined : mark;
};
