import type { Node, NodeClaim } from '../../api/objects.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Prediction, Signal } from './signal.ts';

/** Whether a source can be heard, as conditions of Kubernetes say it. */
export interface SourceCondition {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

export interface SourceAnswer {
  readonly condition: SourceCondition;
  readonly signals: readonly Signal[];
  readonly predictions: readonly Prediction[];
}

/** A spot node as sources are asked for it. */
export interface WatchedNode {
  readonly node: Node;
  readonly claim: NodeClaim;
}

export interface SourceRequest {
  readonly nodes: readonly WatchedNode[];
  /** The model that is asked for; none where empty. */
  readonly modelName: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Something that tells of interruptions to come. */
export interface PredictionSource {
  readonly name: string;
  poll(request: SourceRequest, signal: AbortSignal): Promise<SourceAnswer>;
}

const answerOf = (status: SourceCondition['status'], reason: string, message: string): SourceAnswer => ({
  condition: { status, reason, message },
  signals: [],
  predictions: [],
});
export const silent = (reason: string, message: string): SourceAnswer => answerOf('False', reason, message);

/** Polls of one source, of which a slow one blocks nobody: its answer counts from when it is there. */
export class Listener {
  readonly name: string;
  readonly #source: PredictionSource;
  #latest: SourceAnswer;
  #pending: Promise<void> | undefined;

  constructor(source: PredictionSource) {
    this.name = source.name;
    this.#source = source;
    this.#latest = answerOf('Unknown', 'NotAsked', 'It has not answered yet.');
  }

  get latest(): SourceAnswer {
    return this.#latest;
  }

  /** Asks, unless an earlier question is open, and waits for `patienceMs` at most. Never throws. */
  async ask(request: SourceRequest, patienceMs: number, signal: AbortSignal): Promise<SourceAnswer> {
    this.#pending ??= this.#source
      .poll(request, signal)
      .then(
        (answer) => {
          this.#latest = answer;
        },
        (error: unknown) => {
          this.#latest = silent('Failed', messageOf(error));
        },
      )
      .finally(() => {
        this.#pending = undefined;
      });
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patienceMs);
    await Promise.race([this.#pending, promise]);
    clearTimeout(timer);
    return this.#latest;
  }
}
