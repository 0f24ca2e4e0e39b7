import { Worker } from 'node:worker_threads';
import type { PlanFault } from '../../../planner/plan/verify/fault.ts';
import type { ProvisionRequest, ProvisionResult } from '../../../planner/provision.ts';
import { PlanningError, PlanningTimeout } from '../../rebalanceplanclaim/plannerworker.ts';

/** The planner's answer, and the rules that the independent check finds broken. */
export interface Provisioned {
  readonly result: ProvisionResult;
  readonly faults: readonly PlanFault[];
}

/** Searches for a plan; one search at a time. Throws PlanningError, and PlanningTimeout after `timeoutMs`. */
export type Provisioning = (
  request: ProvisionRequest,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<Provisioned>;

type Answer = Provisioned | { readonly error: string };

const YOUNG_GENERATION_MB = 48;

/**
 * A planner thread that stays, since pods wait while it would start. It is replaced after a search that took too long, and
 * ends with the signal.
 */
export const createProvisioner = (life: AbortSignal): Provisioning => {
  let worker: Worker | undefined;
  const start = (): Worker => {
    const started = new Worker(new URL('./provisioner.worker.ts', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    // It must not keep a process alive that is about to end.
    started.unref();
    return started;
  };
  const drop = (): void => {
    void worker?.terminate();
    worker = undefined;
  };
  life.addEventListener('abort', drop, { once: true });
  return async (request, timeoutMs, signal) => {
    signal.throwIfAborted();
    worker ??= start();
    const current = worker;
    const { promise, resolve, reject } = Promise.withResolvers<Provisioned>();
    const timer = setTimeout(() => {
      reject(new PlanningTimeout(`no plan was found within ${Math.round(timeoutMs / 1000)} s`));
    }, timeoutMs);
    const stop = (): void => reject(signal.reason);
    const onMessage = (message: Answer): void =>
      'error' in message ? reject(new PlanningError(message.error)) : resolve(message);
    const onExit = (code: number): void => reject(new Error(`the planner's thread exited with code ${code}`));
    signal.addEventListener('abort', stop, { once: true });
    current.on('message', onMessage);
    current.on('error', reject);
    current.on('exit', onExit);
    current.postMessage(request);
    try {
      return await promise;
    } catch (error) {
      if (!(error instanceof PlanningError) || error instanceof PlanningTimeout) drop();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      current.off('message', onMessage);
      current.off('error', reject);
      current.off('exit', onExit);
    }
  };
};
