import type { ObjectMeta } from '../../api/objects.ts';
import type { Share } from './intern.ts';

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

// Annotations are the largest part of many objects, and only these families steer what we do.
const READ_ANNOTATIONS =
  /^([a-z0-9-]+\.)*(cast\.ai|karpenter\.sh|karpenter\.k8s\.aws)\/|^cluster-autoscaler\.kubernetes\.io\/|^controller\.kubernetes\.io\/pod-deletion-cost$|^kubernetes\.io\/config\.mirror$/;

const pickAnnotations = (
  all: Readonly<Record<string, string>> | undefined,
): Record<string, string> | undefined => {
  let picked: Record<string, string> | undefined;
  for (const key in all) {
    const value = all[key];
    if (value !== undefined && READ_ANNOTATIONS.test(key)) {
      picked ??= {};
      picked[key] = value;
    }
  }
  return picked;
};

/** Metadata without managedFields and without the annotations of others. */
export const trimMeta = (raw: ObjectMeta, share: Share): ObjectMeta => {
  const common = {
    uid: raw.uid ?? '',
    resourceVersion: raw.resourceVersion ?? '',
    creationTimestamp: share.text(raw.creationTimestamp ?? ''),
    labels: share.value(raw.labels ?? {}),
    ownerReferences: share.value(raw.ownerReferences ?? []),
  };
  const meta: Mutable<ObjectMeta> =
    raw.namespace === undefined
      ? { name: raw.name, ...common }
      : { name: raw.name, namespace: share.text(raw.namespace), ...common };
  if (raw.generateName) meta.generateName = share.text(raw.generateName);
  if (raw.generation !== undefined) meta.generation = raw.generation;
  if (raw.deletionTimestamp) meta.deletionTimestamp = raw.deletionTimestamp;
  if (raw.deletionGracePeriodSeconds !== undefined)
    meta.deletionGracePeriodSeconds = raw.deletionGracePeriodSeconds;
  const annotations = pickAnnotations(raw.annotations);
  if (annotations) meta.annotations = share.value(annotations);
  if (raw.finalizers) meta.finalizers = share.value(raw.finalizers);
  return meta;
};
