import type { Pod } from '../../api/objects.ts';
import type { PodClass } from '../packing/podclass.ts';
import type { Requests } from '../scheduling/noderesources.ts';
import type { InFlightClaim } from './inflightclaim.ts';

/** A claim with what the pods attributed so far leave of its requests and of its machine. */
export interface ClaimState {
  readonly inFlight: InFlightClaim;
  readonly name: string;
  readonly budget: Requests;
  /** Undefined until the machine is launched. */
  readonly free: Requests | undefined;
  readonly pods: Pod[];
}

/** The pods of one class that have no claim yet, and the claims that may hold them. */
export interface PendingClass {
  readonly podClass: PodClass;
  readonly claims: readonly ClaimState[];
  pods: readonly Pod[];
}

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const compareAge = (a: Pod, b: Pod): number =>
  compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
  compareText(a.metadata.uid ?? '', b.metadata.uid ?? '');

export const isWithin = (requests: Requests, room: Requests): boolean => {
  for (const [resource, requested] of requests) if (requested > (room.get(resource) ?? 0)) return false;
  return true;
};

/** What pods may take of a claim: its machine's room once that is known. */
export const roomOf = ({ free, budget }: ClaimState): Requests => free ?? budget;

export const budgetOf = (claim: ClaimState, resource: string): number => claim.budget.get(resource) ?? 0;
