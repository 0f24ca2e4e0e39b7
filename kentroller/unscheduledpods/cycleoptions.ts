import type { HorizontalPodAutoscaler } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { Recorder } from '../../kube/controller/events.ts';
import type { Catalogue } from '../../planner/model/catalogue.ts';
import type { Caches } from '../caches.ts';
import type { RoomSource } from '../capacitybuffers/run.ts';
import type { Clock } from '../rebalanceplan/controller.ts';
import type { ExecutionLimits } from '../rebalanceplan/state/state.ts';
import type { Provisioning } from './buying/provisioner.ts';
import type { Evaluation, Window } from './decide.ts';
import type { Memory } from './memory.ts';
import type { RoomRests } from './room.ts';
import type { StoredPlans } from './storedplans.ts';

export interface CycleOptions {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly catalogue: () => Promise<Catalogue>;
  readonly autoscalers: { readonly list: () => readonly HorizontalPodAutoscaler[] };
  readonly provisioning: Provisioning;
  /** Room of CapacityBuffers that kentroller serves; none where left out. */
  readonly room?: RoomSource;
  readonly window: Window;
  /** As in RebalanceRequest. */
  readonly schedulers?: readonly string[];
  /** Whether pods are pinned to the machines that Karpenter buys for them. */
  readonly followsKarpenter: boolean;
  /** When no plan starts. */
  readonly limits: Pick<ExecutionLimits, 'haltNodes' | 'haltPercent'>;
  readonly recorder: Recorder;
  /** A recorder for pods, whose events would use up the rate limit of the plans'. */
  readonly podRecorder: Recorder;
  readonly log: Logger;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What is kept from one cycle to the next; all of it may be lost. */
export interface CycleMemory {
  readonly pods: Memory;
  readonly stored: StoredPlans;
  readonly room: RoomRests;
}

export interface Outcome {
  readonly evaluation: Evaluation;
  /** What was done, or why nothing was. */
  readonly message: string;
  readonly plans: readonly string[];
  readonly nodes: number;
  readonly pods: number;
  /** Replicas to come that were bought for beside pods. */
  readonly replicas: number;
}
