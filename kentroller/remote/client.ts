import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  Metadata,
  makeGenericClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { z } from 'zod';
import { rebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import type { Logger } from '../../kube/component/log.ts';
import { JsonBoundError, parseJson } from '../../kube/doors/jsonscan.ts';
import { messageOf } from '../../kube/errors.ts';
import {
  addressOf,
  explainRemote,
  type Remote,
  remoteCredentials,
  remoteOptions,
} from '../../kube/grpc/remote.ts';
import { SharedChannel } from '../../kube/grpc/sharedchannel.ts';
import {
  type Planning,
  type PlanningAnswer,
  PlanningError,
  PlanningTimeout,
} from '../rebalanceplanclaim/plannerworker.ts';
import { loadPlanningService, type PlanReply, type PlanRequest } from './planning.ts';

const MiB = 2 ** 20;
/** A cluster of thousands of nodes is tens of megabytes of JSON. */
const MAX_REQUEST_BYTES = 256 * MiB;
/** A plan has 700,000 bytes; the rest is for the reasons of thousands of skipped nodes. */
const MAX_ANSWER_BYTES = 8 * MiB;
/** What a plan of the largest size in etcd can hold, several times over. */
const PLAN_LIMITS = { depth: 64, values: 1_000_000 };
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 15_000;

/** A remote planner's final refusal, or an answer that is invalid. */
export class RemotePlanningError extends PlanningError {
  override readonly name = 'RemotePlanningError';
}

const planSchema = z.object({
  spec: rebalancePlan.shape.spec,
  savings: rebalancePlan.shape.status.unwrap().shape.savings.unwrap(),
});

/** What the gRPC client says of an answer over the limit, as it arrives and as it is unpacked. */
const IS_TOO_LARGE = /^Received message (larger than|that decompresses to a size larger than)/;

const RETRYABLE: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.INTERNAL,
]);

export interface RemotePlanner {
  readonly planning: Planning;
  close(): void;
}

type PlanningClient = Client & {
  Plan(
    request: PlanRequest,
    metadata: Metadata,
    options: { deadline: number },
    callback: (error: ServiceError | null, reply?: PlanReply) => void,
  ): { cancel(): void };
};

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

const read = (reply: PlanReply): PlanningAnswer => {
  const { selectedNodes, skippedNodes, reason } = reply;
  const rest = {
    selectedNodes,
    skippedNodes: skippedNodes.map((node) => ({ name: node.name, reasons: [...node.reasons] })),
  };
  if (reply.plan.length === 0) return { ...rest, plan: null, ...(reason && { reason }) };
  let raw: unknown;
  try {
    raw = parseJson(reply.plan, PLAN_LIMITS);
  } catch (cause) {
    const why = cause instanceof JsonBoundError ? `: ${cause.message}` : '';
    throw new RemotePlanningError(`the remote planner sent a plan that is not JSON${why}`, { cause });
  }
  const plan = planSchema.safeParse(raw);
  if (plan.success) return { ...rest, plan: plan.data };
  const [issue] = plan.error.issues;
  throw new RemotePlanningError(
    `the remote planner sent an invalid plan: ${issue?.path.join('.')}: ${issue?.message}`,
  );
};

/**
 * A planner outside the cluster. An unavailable planner is retried until the timeout; a plan is validated against the
 * schema of RebalancePlan before it is returned.
 */
export const connectPlanner = (o: {
  readonly remote: Remote;
  readonly apiKey: string;
  readonly clusterId: string;
  readonly log: Logger;
  readonly waitMs?: number;
}): RemotePlanner => {
  const { remote } = o;
  const Planner = makeGenericClientConstructor(loadPlanningService(), 'Planning');
  const address = addressOf(remote);
  const connect = async (): Promise<PlanningClient> => {
    const channel = await remoteCredentials(remote);
    return new Planner(address, channel, {
      ...remoteOptions(remote),
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      'grpc.max_send_message_length': MAX_REQUEST_BYTES,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': FIRST_WAIT_MS,
      'grpc.max_reconnect_backoff_ms': MAX_WAIT_MS,
    }) as unknown as PlanningClient;
  };
  // A failed call drops its channel; the next one opens another and reads the certificate files again.
  const shared = new SharedChannel(connect);

  const call = async (
    client: PlanningClient,
    request: PlanRequest,
    deadline: number,
    signal: AbortSignal,
  ): Promise<PlanReply> =>
    await new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const metadata = new Metadata();
      if (o.apiKey) metadata.set('authorization', `Bearer ${o.apiKey}`);
      if (o.clusterId) metadata.set('x-cluster-id', o.clusterId);
      const pending = client.Plan(request, metadata, { deadline }, (error, reply) => {
        signal.removeEventListener('abort', stop);
        if (error || !reply)
          reject(error ?? new RemotePlanningError('the remote planner sent an empty answer'));
        else resolve(reply);
      });
      const stop = (): void => pending.cancel();
      signal.addEventListener('abort', stop, { once: true });
    });

  const planning: Planning = async (planningRequest, timeoutMs, signal) => {
    const deadline = Date.now() + timeoutMs;
    const {
      scope,
      constraints: nodeConstraints,
      aggressive: aggressiveModeConfig,
      mustGo,
      closedNodes,
      moveWeight,
      leastSavings,
      surgeSingleReplicas,
      movesToOthersNodes,
      schedulers,
    } = planningRequest;
    const request: PlanRequest = {
      clusterId: o.clusterId,
      planName: planningRequest.planName,
      snapshot: json(planningRequest.snapshot),
      catalogue: json(planningRequest.catalogue),
      constraints: json({
        scope,
        nodeConstraints,
        aggressiveModeConfig,
        mustGo,
        closedNodes,
        moveWeight,
        leastSavings,
        surgeSingleReplicas,
        movesToOthersNodes,
        schedulers,
      }),
      nowMs: planningRequest.now,
      timeBudgetMs: planningRequest.timeBudgetMs ?? 0,
      seed: planningRequest.seed,
    };
    for (let waitMs = o.waitMs ?? FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, MAX_WAIT_MS)) {
      let client: PlanningClient | undefined;
      try {
        client = await shared.get();
        return read(await call(client, request, deadline, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof RemotePlanningError) throw error;
        // An unreadable certificate file has no code; it may be mounted a moment later.
        const { code = status.UNAVAILABLE, details: reason } = error as Partial<ServiceError>;
        if (code === status.RESOURCE_EXHAUSTED && IS_TOO_LARGE.test(reason ?? ''))
          throw new RemotePlanningError(
            `the remote planner ${address}: its answer is larger than ${MAX_ANSWER_BYTES} bytes`,
            { cause: error },
          );
        const details = explainRemote(address, reason ?? messageOf(error));
        const isTimeout = Date.now() + waitMs >= deadline || code === status.DEADLINE_EXCEEDED;
        if (isTimeout) {
          const seconds = Math.round(timeoutMs / 1000);
          throw new PlanningTimeout(
            `the remote planner ${address} found no plan within ${seconds} s (${details})`,
            { cause: error },
          );
        }
        if (!RETRYABLE.has(code)) {
          throw new RemotePlanningError(`the remote planner ${address} refused: ${details}`, {
            cause: error,
          });
        }
        o.log.warn(
          { planner: address, reason: details, retryMs: waitMs },
          'remote planner is unavailable, retrying',
        );
        if (client) await shared.drop(client);
      }
      await sleep(waitMs, undefined, { signal });
    }
  };
  return { planning, close: () => shared.close() };
};
