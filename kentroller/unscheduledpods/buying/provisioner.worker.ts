import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../kube/errors.ts';
import { verifyPlan } from '../../../planner/plan/verify.ts';
import { type ProvisionRequest, provision } from '../../../planner/provision.ts';
import type { Provisioned } from './provisioner.ts';

/** The worker's program: one answer, or `{ error }`, for each request. */
const answer = (request: ProvisionRequest): Provisioned | { readonly error: string } => {
  try {
    const result = provision({ ...request, clock: Date.now });
    const faults = result.plan ? verifyPlan(request.snapshot, request.catalogue, result.plan.spec) : [];
    return { result, faults };
  } catch (error) {
    return { error: messageOf(error) };
  }
};

parentPort?.on('message', (request: ProvisionRequest) => parentPort?.postMessage(answer(request)));
