import { PIN, PIN_PROBE } from '../api/labels.ts';
import type { JsonPatchOperation } from './jsonpatch.ts';
import type { AdmissionRequest } from './review.ts';

/**
 * True for a probe pod: a dry run in our own namespace by which kentroller tests the way from the API server to the pod
 * pinner.
 */
export const isProbe = ({ isDryRun, namespace, pod }: AdmissionRequest, ownNamespace: string): boolean =>
  isDryRun && namespace === ownNamespace && pod?.metadata.labels?.[PIN_PROBE] !== undefined;

/** The patch that marks a probe pod, where the pod pinner knows an intent of its owner; which one is told to nobody. */
export const probePatch = (isKnown: boolean): readonly JsonPatchOperation[] =>
  isKnown ? [{ op: 'add', path: '/metadata/annotations', value: { [PIN]: 'known' } }] : [];
