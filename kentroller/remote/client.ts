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
import { messageOf } from '../../kube/errors.ts';
import {
  addressOf,
  explainRemote,
  type Remote,
  remoteCredentials,
  remoteOptions,
} from '../../kube/grpc/remote.ts';
import {
  type Planning,
  type PlanningAnswer,
  PlanningError,
  PlanningTimeout,
} from '../rebalanceplanclaim/plannerworker.ts';
import { loadPlanningService, type PlanReply, type PlanRequest } from './planning.ts';

/** Clusters of thousands of nodes are tens of megabytes of JSON. */
const MAX_BYTES = 256 * 1024 * 1024;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

/** What a planner refused for good, or answered that can't be used. */
export class RemotePlanningError extends PlanningError {
  override readonly name = 'RemotePlanningError';
}

const answered = z.object({
  spec: rebalancePlan.shape.spec,
  savings: rebalancePlan.shape.status.unwrap().shape.savings.unwrap(),
});

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
  if (reply.plan.length === 0) return { ...rest, plan: null, ...(reason ? { reason } : {}) };
  let raw: unknown;
  try {
    raw = JSON.parse(reply.plan.toString('utf8'));
  } catch (cause) {
    throw new RemotePlanningError('the remote planner answered with something other than JSON', { cause });
  }
  const plan = answered.safeParse(raw);
  if (plan.success) return { ...rest, plan: plan.data };
  const [issue] = plan.error.issues;
  throw new RemotePlanningError(
    `the remote planner's plan can't be used: ${issue?.path.join('.')}: ${issue?.message}`,
  );
};

/**
 * Plans made outside the cluster. A planner that is away is asked again until the time of the claim is up; the plan
 * that comes back is checked against the schema before anyone acts on it.
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
  let dialed: PlanningClient | undefined;

  const dial = async (): Promise<PlanningClient> => {
    const channel = await remoteCredentials(remote);
    return new Planner(address, channel, {
      ...remoteOptions(remote),
      'grpc.max_receive_message_length': MAX_BYTES,
      'grpc.max_send_message_length': MAX_BYTES,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': FIRST_WAIT_MS,
      'grpc.max_reconnect_backoff_ms': LONGEST_WAIT_MS,
    }) as unknown as PlanningClient;
  };
  /** The next call connects anew, with its files read again. */
  const hangUp = (): void => {
    dialed?.close();
    dialed = undefined;
  };

  const call = async (request: PlanRequest, deadline: number, signal: AbortSignal): Promise<PlanReply> => {
    dialed ??= await dial();
    const client = dialed;
    return await new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const metadata = new Metadata();
      if (o.apiKey) metadata.set('authorization', `Bearer ${o.apiKey}`);
      if (o.clusterId) metadata.set('x-cluster-id', o.clusterId);
      const pending = client.Plan(request, metadata, { deadline }, (error, reply) => {
        signal.removeEventListener('abort', stop);
        if (error || !reply) reject(error ?? new RemotePlanningError('the remote planner answered nothing'));
        else resolve(reply);
      });
      const stop = (): void => pending.cancel();
      signal.addEventListener('abort', stop, { once: true });
    });
  };

  const planning: Planning = async (question, timeoutMs, signal) => {
    const deadline = Date.now() + timeoutMs;
    const { scope, constraints: nodeConstraints, aggressive: aggressiveModeConfig, moveWeight } = question;
    const request: PlanRequest = {
      clusterId: o.clusterId,
      planName: question.planName,
      snapshot: json(question.snapshot),
      catalogue: json(question.catalogue),
      constraints: json({ scope, nodeConstraints, aggressiveModeConfig, moveWeight }),
      nowMs: question.now,
      timeBudgetMs: question.timeBudgetMs ?? 0,
      seed: question.seed,
    };
    for (let waitMs = o.waitMs ?? FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      try {
        return read(await call(request, deadline, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof RemotePlanningError) throw error;
        // Files that can't be read have no code: they may be mounted a moment later.
        const { code = status.UNAVAILABLE, details: said } = error as Partial<ServiceError>;
        const details = explainRemote(address, said ?? messageOf(error));
        const isLate = Date.now() + waitMs >= deadline || code === status.DEADLINE_EXCEEDED;
        if (isLate) {
          const seconds = Math.round(timeoutMs / 1000);
          throw new PlanningTimeout(
            `the remote planner ${address} gave no plan within ${seconds} s (${details})`,
            { cause: error },
          );
        }
        if (!RETRYABLE.has(code)) {
          throw new RemotePlanningError(`the remote planner ${address} refused: ${details}`, {
            cause: error,
          });
        }
        o.log.warn({ planner: address, reason: details, retryMs: waitMs }, 'remote planner is away');
        hangUp();
      }
      await sleep(waitMs, undefined, { signal });
    }
  };
  return { planning, close: hangUp };
};
