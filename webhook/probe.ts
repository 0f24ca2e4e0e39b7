import { PIN, PIN_PROBE } from '../api/labels.ts';
import type { JsonPatchOperation } from './jsonpatch.ts';
import type { AdmissionRequest } from './review.ts';

/** True for a probe pod: a dry run by which kentroller tests the way from the API server to the pod pinner. */
export const isProbe = ({ isDryRun, pod }: AdmissionRequest): boolean =>
  isDryRun && pod?.metadata.labels?.[PIN_PROBE] !== undefined;

/** The patch that marks a probe pod with an intent of its owner; empty while the pod pinner knows none. */
export const probePatch = (intentId: string): readonly JsonPatchOperation[] =>
  intentId === '' ? [] : [{ op: 'add', path: '/metadata/annotations', value: { [PIN]: intentId } }];
