import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** The messages of pinning.proto in JavaScript; its 64-bit numbers fit in a double. */

export interface Taint {
  readonly key: string;
  readonly value: string;
  readonly effect: string;
  /** True for a taint that disappears once the machine is set up. */
  readonly startup?: boolean;
}

export interface NodeIntent {
  readonly providerId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly joinDeadlineMs: number;
  readonly nodeClaimUid: string;
}

export interface PodTarget {
  readonly name: string;
  readonly uid: string;
}

export interface OwnerTarget {
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly count: number;
  /** Names of the pods that the plan moves there, for an owner whose pods keep their names. */
  readonly names?: readonly string[];
  /** Names of the pods that the plan replaces by pods there; a slot opens as one of them leaves its node. */
  readonly replaces?: readonly string[];
}

export interface PinIntent {
  readonly namespace: string;
  readonly pod?: PodTarget;
  readonly owner?: OwnerTarget;
}

export interface Intent {
  readonly id: string;
  readonly plan: string;
  readonly nodeClaim: string;
  readonly nodeName: string;
  readonly node?: NodeIntent;
  readonly pin?: PinIntent;
}

export interface ServerMessage {
  readonly version: number;
  readonly upsert?: Intent;
  readonly removed?: string;
  readonly synced?: Record<string, never>;
}

export type ResultState =
  | 'UNKNOWN'
  | 'PLACED'
  | 'JOINED'
  | 'PARTLY_BOUND'
  | 'BOUND'
  | 'REJECTED'
  | 'GIVEN_UP';

export interface Result {
  readonly intentId: string;
  readonly version: number;
  readonly state: ResultState;
  readonly reason: string;
  readonly bound: number;
}

export interface ClientMessage {
  readonly hello?: { readonly clientId: string; readonly clusterId: string; readonly lastVersion: number };
  readonly result?: Result;
}

export interface TakeRequest {
  readonly requestUid: string;
  readonly namespace: string;
  readonly ownerKind: string;
  readonly ownerName: string;
  readonly ownerUid: string;
  readonly pod: string;
  /** Another webhook may change the pod after ours. */
  readonly coexisting: boolean;
  /** Grants nothing; the reply names an intent of the owner, if there is one. */
  readonly dryRun?: boolean;
  /** How many prefetched slots are welcome, for pods that differ from this one by name alone. */
  readonly ahead?: number;
  /** Requests prefetched slots only; no pod waits. */
  readonly isAheadOnly?: boolean;
}

/** A prefetched slot: one for a pod that has not been created yet. */
export interface SlotAhead {
  readonly uid: string;
  /** The reply for that pod; its way is `assign`. */
  readonly reply: TakeReply;
}

export interface TakeReply {
  readonly nodeName: string;
  readonly intentId: string;
  readonly plan: string;
  readonly way: '' | 'assign' | 'hold' | 'nominate';
  readonly reason: string;
  readonly ahead?: readonly SlotAhead[];
}

export interface TakeRequests {
  readonly requests: readonly TakeRequest[];
  /** Uids of prefetched slots that pods have used. */
  readonly used?: readonly string[];
  /** Uids of prefetched slots that are not needed any more. */
  readonly returned?: readonly string[];
}

export interface TakeReplies {
  readonly replies: readonly TakeReply[];
  /** Uids of owners whose prefetched slots must be returned. */
  readonly recalled?: readonly string[];
}

export interface SideRequest {
  readonly requestUid: string;
  readonly namespace: string;
  readonly ownerKind: string;
  readonly ownerName: string;
  readonly ownerUid: string;
  /** Percent of the owner's pods that are on spot, 0 to 100. */
  readonly spotPercentage: number;
  /** A selector of labels that all pods of the owner have; empty for all pods of the namespace. */
  readonly labelSelector: string;
  /** No pod waits for the reply any more: its place is free again. */
  readonly givenBack?: boolean;
}

export interface SideReply {
  readonly requestUid: string;
  /** Empty where the owner's pods could not be counted. */
  readonly side: '' | 'spot' | 'on-demand';
  readonly index: number;
  readonly reason: string;
}

/** How long replies are kept for repeated requests, in milliseconds, and how many at most. */
export const REPLAYS = { ttlMs: 60_000, maxSize: 10_000 } as const;

export interface PinningServices {
  readonly pinning: ServiceDefinition;
  readonly slots: ServiceDefinition;
}

interface Loaded {
  readonly precisionpacker: {
    readonly pinning: {
      readonly v1: {
        readonly Pinning: { readonly service: ServiceDefinition };
        readonly Slots: { readonly service: ServiceDefinition };
      };
    };
  };
}

/** Loads the services of pinning.proto, for a grpc-js server or makeGenericClientConstructor. */
export const loadPinningServices = (): PinningServices => {
  const definition = loadSync(fileURLToPath(new URL('./pinning.proto', import.meta.url)), {
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: false,
  });
  const { v1 } = (loadPackageDefinition(definition) as unknown as Loaded).precisionpacker.pinning;
  return { pinning: v1.Pinning.service, slots: v1.Slots.service };
};
