import { HORIZON_MS, type Prediction } from './signal.ts';

/** Predictions against what came of them, model by model. Pure but for its own memory, which is bounded by the nodes. */

export type PredictionOutcome = 'hit' | 'false-alarm' | 'missed' | 'gone';
export const OUTCOMES: readonly PredictionOutcome[] = ['hit', 'false-alarm', 'missed', 'gone'];

/** A machine as a cycle sees it: all that was predicted of it, and when its interruption was first heard of. */
export interface ScoredMachine {
  readonly id: string;
  readonly predictions: readonly Prediction[];
  readonly interruptedAt: number | undefined;
}

/** What one model said of one machine and waits to be judged. */
interface Pending {
  /** Start of a window of one horizon, and the probability at that time. */
  readonly since: number;
  readonly probability: number;
  /** When the machine came over the threshold. */
  readonly alertAt: number | undefined;
}

export interface ModelScore {
  readonly hits: number;
  readonly falseAlarms: number;
  readonly missed: number;
  /** Sum of squared errors of probabilities, and their number: one a machine and horizon. */
  readonly squares: number;
  readonly windows: number;
}

export interface ScoreListener {
  outcome(model: string, outcome: PredictionOutcome): void;
  /** Seconds from the alert to the interruption. */
  lead(model: string, seconds: number): void;
}

/** What a scoreboard holds: scores, alerts that wait to be judged, and machines whose interruption was counted. */
export interface ScoreState {
  readonly scores: readonly (readonly [model: string, score: ModelScore])[];
  readonly alerts: readonly {
    readonly model: string;
    readonly machine: string;
    readonly since: number;
    readonly probability: number;
    readonly alertAt: number;
  }[];
  readonly ended: readonly string[];
}

/** Alerts and ended machines that are handed over at most. */
const MOST_HANDED_OVER = 1_000;
/** Models whose scores are handed over at most, those that were judged last. */
export const MOST_MODELS = 20;

const EMPTY: ModelScore = { hits: 0, falseAlarms: 0, missed: 0, squares: 0, windows: 0 };

export class Scoreboard {
  readonly #listener: ScoreListener;
  /** Those judged last come last. */
  readonly #scores = new Map<string, ModelScore>();
  /** By model and machine. */
  readonly #pending = new Map<string, Map<string, Pending>>();
  /** Machines whose interruption was counted. */
  #ended: ReadonlySet<string> = new Set();

  constructor(listener: ScoreListener) {
    this.#listener = listener;
  }

  scores(): ReadonlyMap<string, ModelScore> {
    return this.#scores;
  }

  /** What is no alert begins anew: its window of half an hour judges nobody. */
  state(): ScoreState {
    const alerts = [...this.#pending].flatMap(([model, ofModel]) =>
      [...ofModel].flatMap(([machine, { since, probability, alertAt }]) =>
        alertAt === undefined ? [] : [{ model, machine, since, probability, alertAt }],
      ),
    );
    return {
      scores: [...this.#scores].slice(-MOST_MODELS),
      alerts: alerts.toSorted((a, b) => a.alertAt - b.alertAt).slice(-MOST_HANDED_OVER),
      ended: [...this.#ended].slice(-MOST_HANDED_OVER),
    };
  }

  /** Takes over what another one held, before this one has seen anything. */
  restore({ scores, alerts, ended }: ScoreState): void {
    for (const [model, score] of scores) this.#add(model, score);
    for (const { model, machine, ...pending } of alerts) {
      const ofModel = this.#pending.get(model) ?? new Map<string, Pending>();
      this.#pending.set(model, ofModel.set(machine, pending));
    }
    this.#ended = new Set([...this.#ended, ...ended]);
  }

  #add(model: string, change: Partial<ModelScore>): void {
    const sum = this.#scores.get(model) ?? EMPTY;
    this.#scores.delete(model);
    this.#scores.set(model, {
      hits: sum.hits + (change.hits ?? 0),
      falseAlarms: sum.falseAlarms + (change.falseAlarms ?? 0),
      missed: sum.missed + (change.missed ?? 0),
      squares: sum.squares + (change.squares ?? 0),
      windows: sum.windows + (change.windows ?? 0),
    });
  }

  #closeWindow(model: string, { probability }: Pending, cameTrue: boolean): void {
    this.#add(model, { squares: (probability - (cameTrue ? 1 : 0)) ** 2, windows: 1 });
  }

  /** The interruption of a machine, judged by what was said before it was heard of. */
  #interrupted(model: string, pending: Pending | undefined, at: number): void {
    if (pending) this.#closeWindow(model, pending, true);
    const alertAt = pending?.alertAt;
    if (alertAt === undefined || alertAt > at) {
      this.#add(model, { missed: 1 });
      this.#listener.outcome(model, 'missed');
      return;
    }
    this.#add(model, { hits: 1 });
    this.#listener.outcome(model, 'hit');
    this.#listener.lead(model, (at - alertAt) / 1000);
  }

  /** What becomes of a pending prediction as time goes by, with what is said now. */
  #next(
    model: string,
    pending: Pending | undefined,
    probability: number,
    threshold: number,
    now: number,
  ): Pending {
    let { since, alertAt } = pending ?? { since: now, alertAt: undefined };
    let kept = pending?.probability ?? probability;
    if (pending && now - since >= HORIZON_MS) {
      this.#closeWindow(model, pending, false);
      since = now;
      kept = probability;
    }
    if (alertAt !== undefined && now - alertAt >= HORIZON_MS) {
      this.#add(model, { falseAlarms: 1 });
      this.#listener.outcome(model, 'false-alarm');
      alertAt = undefined;
    }
    if (alertAt === undefined && probability >= threshold) alertAt = now;
    return { since, probability: kept, alertAt };
  }

  /** Takes in one cycle. A machine that is gone without an interruption judges nobody: it may have been replaced. */
  observe(machines: readonly ScoredMachine[], threshold: number, now: number): void {
    const ended = new Set<string>();
    const there = new Set<string>();
    for (const { id, predictions, interruptedAt } of machines) {
      there.add(id);
      if (interruptedAt !== undefined) ended.add(id);
      if (this.#ended.has(id)) {
        ended.add(id);
        continue;
      }
      for (const { model, probability } of predictions) {
        const ofModel = this.#pending.get(model) ?? new Map<string, Pending>();
        this.#pending.set(model, ofModel);
        const pending = ofModel.get(id);
        if (interruptedAt === undefined) {
          ofModel.set(id, this.#next(model, pending, probability, threshold, now));
        } else {
          this.#interrupted(model, pending, interruptedAt);
          ofModel.delete(id);
        }
      }
    }
    for (const [model, ofModel] of this.#pending) {
      for (const [id, { alertAt }] of ofModel) {
        if (there.has(id)) continue;
        ofModel.delete(id);
        if (alertAt !== undefined) this.#listener.outcome(model, 'gone');
      }
    }
    this.#ended = ended;
  }
}

/** Shares and means of a score; undefined where nothing was judged yet. */
export const summaryOf = ({
  hits,
  falseAlarms,
  missed,
  squares,
  windows,
}: ModelScore): { readonly precision?: number; readonly recall?: number; readonly brier?: number } => ({
  ...(hits + falseAlarms > 0 && { precision: hits / (hits + falseAlarms) }),
  ...(hits + missed > 0 && { recall: hits / (hits + missed) }),
  ...(windows > 0 && { brier: squares / windows }),
});
