import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { AutoscalerPolicyStatus, PolicyName } from '../../api/kinds/autoscalerpolicy.ts';
import { AUTOSCALER_POLICIES } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import { messageOf } from '../../kube/errors.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import type { PoliciesNow } from './settings.ts';
import { type Act, type Note, statusOf } from './status.ts';
import type { LivePolicies } from './watch.ts';

/** Time between looks for something new to say. */
const LOOK_MS = 1_000;
/** Least time between two writes, however much happens. */
const WRITE_MS = 10_000;

/** What the controllers of policies tell; it costs nothing, and is written when it says something new. */
export interface PolicyRecord {
  /** Why a policy in force does nothing, or what it is about to do. */
  note(policy: PolicyName, state: Note['state'], message: string): void;
  /** What a policy has done. */
  did(policy: PolicyName, action: string): void;
  /** A policy is not in force, or has nothing to say. */
  forget(policy: PolicyName): void;
}

export interface PolicyRecordOptions {
  readonly client: KubeClient;
  readonly policies: Pick<LivePolicies, 'now' | 'object'>;
  readonly log: Logger;
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly lookMs?: number;
  readonly writeMs?: number;
}

/** Records what policies do in the status of the AutoscalerPolicy, until the signal aborts. */
export const recordPolicies = (o: PolicyRecordOptions): PolicyRecord & { readonly ended: Promise<void> } => {
  const { client, policies, signal, lookMs = LOOK_MS, writeMs = WRITE_MS } = o;
  const notes = new Map<PolicyName, Note>();
  const acts = new Map<PolicyName, Act>();
  let written: { readonly uid: string | undefined; readonly status: AutoscalerPolicyStatus } | undefined;
  let dueAt = Number.NEGATIVE_INFINITY;

  const write = async (now: PoliciesNow): Promise<void> => {
    const object = policies.object();
    if (!object || o.now() < dueAt) return;
    const { name, uid } = object.metadata;
    // The cache shows our own last write a moment later.
    const before = written && written.uid === uid ? written.status : object.status;
    const status = statusOf({ ...object, ...(before && { status: before }) }, now, { notes, acts }, o.now());
    if (isDeepStrictEqual(status, before)) return;
    dueAt = o.now() + writeMs;
    const body = { metadata: { ...(uid && { uid }) }, status };
    await client
      .patch(AUTOSCALER_POLICIES, { name }, body, { subresource: 'status', signal })
      .catch(ignoreNotFoundOrConflict);
    written = { uid, status };
  };

  const run = async (): Promise<void> => {
    let failing = '';
    while (!signal.aborted) {
      try {
        await write(policies.now());
        failing = '';
      } catch (error) {
        const reason = messageOf(error);
        if (!signal.aborted && reason !== failing)
          o.log.warn({ reason }, 'the status of the AutoscalerPolicy was not written');
        failing = reason;
      }
      await sleep(lookMs, undefined, { signal }).catch(() => {});
    }
  };

  return {
    note: (policy, state, message) => void notes.set(policy, { state, message }),
    did: (policy, action) => {
      acts.set(policy, { action, at: o.now() });
    },
    forget: (policy) => void notes.delete(policy),
    ended: run(),
  };
};
