import type { Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { parseIndex } from '../../api/spotpods/split.ts';

/** Labels that a controller gives all of its pods and no others. */
const OWN_LABELS = ['pod-template-hash', 'batch.kubernetes.io/controller-uid', 'controller-uid'] as const;

/** Labels of a pod that is being created were not checked yet. */
const VALUE = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** A label selector that finds a pod's siblings; empty where no label is known to tell them. */
export const siblingSelector = ({ metadata: { labels } }: Pod): string => {
  const key = OWN_LABELS.find((each) => VALUE.test(valueAt(labels, each) ?? ''));
  return key === undefined ? '' : `${key}=${valueAt(labels, key)}`;
};

/** The number that a pod has in its workload, from 0, where its controller gives it one. */
export const ordinalIn = (
  { metadata: { labels, annotations } }: Pod,
  ownerKind: string,
): number | undefined => {
  const key = {
    StatefulSet: 'apps.kubernetes.io/pod-index',
    Job: 'batch.kubernetes.io/job-completion-index',
  };
  const label = valueAt(key, ownerKind);
  if (label === undefined) return undefined;
  return parseIndex(valueAt(labels, label) ?? valueAt(annotations, label) ?? '');
};
