import { createHash } from 'node:crypto';
import type { RebalancePlan, RebalancePlanSpec } from '../../../api/kinds/rebalanceplan.ts';

const sorted = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

/** SHA-256 of a plan's spec in hexadecimal, whatever the order of its fields; `execute`, which users set, is left out. */
export const specHashOf = ({ execute: _, ...spec }: RebalancePlanSpec): string =>
  createHash('sha256').update(JSON.stringify(spec, sorted)).digest('hex');

/** The hashes of plans, each computed once a generation: a spec has hundreds of kilobytes. */
export class SpecHashes {
  readonly #known = new Map<string, { readonly version: string; readonly hash: string }>();

  of({ metadata, spec }: RebalancePlan): string {
    const { name, uid, generation } = metadata;
    if (generation === undefined) return specHashOf(spec);
    const version = `${uid}/${generation}`;
    const known = this.#known.get(name);
    if (known?.version === version) return known.hash;
    const hash = specHashOf(spec);
    this.#known.set(name, { version, hash });
    return hash;
  }

  forget(name: string): void {
    this.#known.delete(name);
  }
}

/** Whether a plan's spec is no longer what was shown; false while it was not shown yet. */
export const isChanged = ({
  plan,
  specHash,
}: {
  readonly plan: RebalancePlan;
  readonly specHash: string;
}): boolean => plan.status?.specHash !== undefined && plan.status.specHash !== specHash;
