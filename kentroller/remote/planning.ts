import { fileURLToPath } from 'node:url';
import { loadPackageDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** The messages of planning.proto as JavaScript objects. */

export interface PlanRequest {
  readonly clusterId: string;
  readonly planName: string;
  readonly snapshot: Buffer;
  readonly catalogue: Buffer;
  readonly constraints: Buffer;
  readonly nowMs: number;
  readonly timeBudgetMs: number;
  readonly seed: number;
}

export interface PlanReply {
  readonly plan: Buffer;
  readonly reason: string;
  readonly selectedNodes: readonly string[];
  readonly skippedNodes: readonly { readonly name: string; readonly reasons: readonly string[] }[];
}

interface Loaded {
  readonly precisionpacker: {
    readonly planning: { readonly v1: { readonly Planning: { readonly service: ServiceDefinition } } };
  };
}

/** The service definition of planning.proto, for a grpc-js server or makeGenericClientConstructor. */
export const loadPlanningService = (): ServiceDefinition => {
  const definition = loadSync(fileURLToPath(new URL('./planning.proto', import.meta.url)), {
    longs: Number,
    defaults: true,
    oneofs: false,
  });
  return (loadPackageDefinition(definition) as unknown as Loaded).precisionpacker.planning.v1.Planning
    .service;
};
