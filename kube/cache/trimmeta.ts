import type { ObjectMeta } from '../../api/objects.ts';
import { putAt, valueAt } from '../../api/records/valueat.ts';
import type { Interner } from './intern.ts';

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

// Annotations are the largest part of many objects, and only these families matter here.
const READ_ANNOTATIONS =
  /^([a-z0-9-]+\.)*(cast\.ai|karpenter\.sh|karpenter\.k8s\.aws)\/|^(cluster-autoscaler|descheduler\.alpha)\.kubernetes\.io\/|^controller\.kubernetes\.io\/pod-deletion-cost$|^kubernetes\.io\/config\.mirror$/;

const pickAnnotations = (
  all: Readonly<Record<string, string>> | undefined,
): Record<string, string> | undefined => {
  let picked: Record<string, string> | undefined;
  for (const key in all) {
    const value = valueAt(all, key);
    if (value !== undefined && READ_ANNOTATIONS.test(key)) {
      picked ??= {};
      putAt(picked, key, value);
    }
  }
  return picked;
};

/** Metadata without managedFields and without foreign annotations. */
export const trimMeta = (raw: ObjectMeta, interner: Interner): ObjectMeta => {
  const common = {
    uid: raw.uid ?? '',
    resourceVersion: raw.resourceVersion ?? '',
    creationTimestamp: interner.text(raw.creationTimestamp ?? ''),
    labels: interner.value(raw.labels ?? {}),
    ownerReferences: interner.value(raw.ownerReferences ?? []),
  };
  const meta: Mutable<ObjectMeta> =
    raw.namespace === undefined
      ? { name: raw.name, ...common }
      : { name: raw.name, namespace: interner.text(raw.namespace), ...common };
  if (raw.generateName) meta.generateName = interner.text(raw.generateName);
  if (raw.generation !== undefined) meta.generation = raw.generation;
  if (raw.deletionTimestamp) meta.deletionTimestamp = raw.deletionTimestamp;
  if (raw.deletionGracePeriodSeconds !== undefined)
    meta.deletionGracePeriodSeconds = raw.deletionGracePeriodSeconds;
  const annotations = pickAnnotations(raw.annotations);
  if (annotations) meta.annotations = interner.value(annotations);
  if (raw.finalizers) meta.finalizers = interner.value(raw.finalizers);
  return meta;
};
