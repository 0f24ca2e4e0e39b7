import { instanceFamily } from '../../../planner/model/catalogue.ts';

/** Spot placement scores by family and zone, with what was asked for them, in memory of fixed size. */

/** Time for which AWS lets the same configuration be asked for again, and for which one counts to its limit. */
export const CONFIGURATION_MS = 24 * 3_600_000;
/** Time for which a score counts: it is one of the moment that it was asked in. */
export const SCORE_MS = 60 * 60_000;
/** Configurations at most, whatever the settings are. */
export const MOST_FAMILIES = 50;
/** Scores from 1 to this one are low: spot of this family is hard to get. */
export const LOW_SCORE = 3;

export type ScoresByZone = readonly (readonly [zone: string, score: number])[];

/** What was asked for a family: always the same types, since others would be a new configuration. */
export interface Configuration {
  readonly family: string;
  readonly types: readonly string[];
  /** Milliseconds since 1970. */
  readonly askedAt: number;
  /** When it was answered last, and with what. */
  readonly readAt?: number;
  readonly scores: ScoresByZone;
}

export class PlacementScores {
  readonly #configurations = new Map<string, Configuration>();

  /** Configurations that AWS still counts, those asked last at the end. */
  configurations(now: number): readonly Configuration[] {
    return [...this.#configurations.values()].filter(({ askedAt }) => now - askedAt < CONFIGURATION_MS);
  }

  /** Notes a configuration as it is asked for; the scores that it had stay. */
  asked(family: string, types: readonly string[], now: number): void {
    for (const [name, { askedAt }] of this.#configurations)
      if (now - askedAt >= CONFIGURATION_MS) this.#configurations.delete(name);
    const before = this.#configurations.get(family);
    this.#configurations.delete(family);
    this.#configurations.set(family, { scores: [], ...before, family, types, askedAt: now });
  }

  answered(family: string, scores: ScoresByZone, now: number): void {
    const asked = this.#configurations.get(family);
    if (asked) this.#configurations.set(family, { ...asked, scores, readAt: now });
  }

  /** Takes back what was noted of a question that AWS did not count; undefined where there was none before. */
  notAsked(family: string, before: Configuration | undefined): void {
    if (before) this.#configurations.set(family, before);
    else this.#configurations.delete(family);
  }

  /** Scores that count now. */
  current(
    now: number,
  ): readonly { readonly family: string; readonly zone: string; readonly score: number }[] {
    return [...this.#configurations.values()].flatMap(({ family, readAt, scores }) =>
      readAt !== undefined && now - readAt < SCORE_MS
        ? scores.map(([zone, score]) => ({ family, zone, score }))
        : [],
    );
  }

  /** Where spot is scarce now: 'family/zone'. */
  low(now: number): ReadonlySet<string> {
    return new Set(
      this.current(now).flatMap(({ family, zone, score }) =>
        score <= LOW_SCORE ? [`${family}/${zone}`] : [],
      ),
    );
  }

  /** The score of an offering, 'type/zone'; undefined where nobody knows it now. */
  scoreOf(offering: string, now: number): number | undefined {
    const [type = '', zone] = offering.split('/');
    const { readAt, scores = [] } = this.#configurations.get(instanceFamily(type)) ?? {};
    if (readAt === undefined || now - readAt >= SCORE_MS) return undefined;
    return scores.find(([each]) => each === zone)?.[1];
  }

  state(): readonly Configuration[] {
    return [...this.#configurations.values()];
  }

  /** Takes over what another one held; what this one knows counts more. A time that is still to come counts as now. */
  restore(configurations: readonly Configuration[], now: number): void {
    const own = new Set(this.#configurations.keys());
    for (const each of configurations.slice(-MOST_FAMILIES)) {
      if (own.has(each.family)) continue;
      const { readAt } = each;
      this.#configurations.set(each.family, {
        ...each,
        askedAt: Math.min(each.askedAt, now),
        ...(readAt !== undefined && { readAt: Math.min(readAt, now) }),
      });
    }
  }
}
