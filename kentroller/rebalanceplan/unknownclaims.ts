import type { ExecutionState } from './state/state.ts';
import { hasReached, hasWarned } from './state/status.ts';
import { type Decision, type Step, steps } from './state/step.ts';

/** NodeClaims of a plan that may exist and can't be read: Karpenter's CRDs are gone, or are being replaced. */

const RETRY_MS = 30_000;

type Unknown = Pick<ExecutionState, 'plan' | 'unknownClaims'>;

const REASON = 'NodeClaimUnknown';
const CAUSE = 'the API server does not serve NodeClaims: look at the CRDs of Karpenter';

/** Wait of a plan whose machines nobody can tell of; its time limit, a cancellation and its deletion come before it. */
export const unknownClaimsWait = ({ plan, unknownClaims }: Unknown): Decision | undefined => {
  const [first] = unknownClaims;
  if (first === undefined || hasReached(plan, 'NodesDeleted')) return undefined;
  const phase = hasReached(plan, 'NodesCreated') ? 'NodesDeleted' : 'NodesCreated';
  const message = `NodeClaim ${first} can not be read, since ${CAUSE}`;
  return { ...steps({ kind: 'wait-in-phase', phase, reason: REASON, message }), againAfterMs: RETRY_MS };
};

/** Warnings, once each, of machines that a plan which ends can't take back. */
export const unknownClaimsWarnings = ({ plan, unknownClaims }: Unknown): readonly Step[] =>
  [...unknownClaims]
    .map((name) => `NodeClaim ${name} was not taken back, since ${CAUSE}, and delete it if it is there`)
    .filter((message) => !hasWarned(plan, message))
    .map((message) => ({ kind: 'warn', reason: REASON, message }));
