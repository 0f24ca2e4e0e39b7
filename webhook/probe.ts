import { PIN, PIN_PROBE } from '../api/labels.ts';
import type { Asked, Operation } from './review.ts';

/** Whether this is the question, by a pod that is never made, if the way from the API server to the pinner is open. */
export const isProbe = ({ isDryRun, pod }: Asked): boolean =>
  isDryRun && pod?.metadata.labels?.[PIN_PROBE] !== undefined;

/** Marks the pod that is never made with an intent of its owner; nothing while the pinner knows none. */
export const probePatch = (intentId: string): readonly Operation[] =>
  intentId === '' ? [] : [{ op: 'add', path: '/metadata/annotations', value: { [PIN]: intentId } }];
