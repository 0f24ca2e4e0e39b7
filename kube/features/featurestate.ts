import { type Features, mergeFeatures, parseFeatures } from '../../api/features.ts';
import { valueAt } from '../../api/records/valueat.ts';

export type ConfigData = Readonly<Record<string, string>>;

/** One ConfigMap: its data now, and the accepted data, which is older while the new data is invalid. */
interface Entry {
  readonly data: ConfigData;
  readonly accepted?: ConfigData;
  readonly features?: Features;
  readonly problem?: string;
  readonly isDynamic: boolean;
}

/** ConfigMaps with features by 'namespace/name', and the data that earlier leaders had accepted. */
export interface FeatureState {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly inherited: Readonly<Record<string, ConfigData>>;
}

/** The effect of one change to a ConfigMap. */
export type FeatureChange =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'applied'; readonly features: Features; readonly unknown: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: string; readonly keepsEarlier: boolean }
  | { readonly kind: 'removed' };

export const initialState = (inherited: Readonly<Record<string, ConfigData>> = {}): FeatureState => ({
  entries: new Map(),
  inherited,
});

const isSame = (a: ConfigData, b: ConfigData): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => valueAt(a, key) === valueAt(b, key));
};

/** The last valid data of a ConfigMap, from this process or from an earlier leader. */
const lastAccepted = (state: FeatureState, key: string): Pick<Entry, 'accepted' | 'features'> => {
  const { accepted, features } = state.entries.get(key) ?? {};
  if (accepted && features) return { accepted, features };
  const data = valueAt(state.inherited, key);
  const parsed = data ? parseFeatures(data) : undefined;
  return data && parsed?.ok ? { accepted: data, features: parsed.features } : {};
};

const withEntry = (state: FeatureState, key: string, entry: Entry): FeatureState => ({
  ...state,
  entries: new Map([...state.entries, [key, entry]]),
});

/** Takes over a ConfigMap that was created or changed; invalid data leaves the earlier data in force. */
export const applyConfigMap = (
  state: FeatureState,
  key: string,
  data: ConfigData,
  isDynamic: boolean,
): { readonly state: FeatureState; readonly change: FeatureChange } => {
  const old = state.entries.get(key);
  if (old && isSame(old.data, data)) return { state, change: { kind: 'unchanged' } };
  const parsed = parseFeatures(data);
  if (parsed.ok) {
    const { features, unknown } = parsed;
    const entry = { data, accepted: data, features, isDynamic };
    return { state: withEntry(state, key, entry), change: { kind: 'applied', features, unknown } };
  }
  const { problem } = parsed;
  const kept = lastAccepted(state, key);
  return {
    state: withEntry(state, key, { data, ...kept, problem, isDynamic }),
    change: { kind: 'refused', problem, keepsEarlier: kept.features !== undefined },
  };
};

/** Removes a deleted ConfigMap, together with what an earlier leader had accepted of it. */
export const removeConfigMap = (
  state: FeatureState,
  key: string,
): { readonly state: FeatureState; readonly change: FeatureChange } => {
  if (!state.entries.has(key)) return { state, change: { kind: 'unchanged' } };
  const { [key]: _, ...inherited } = state.inherited;
  const entries = new Map([...state.entries].filter(([k]) => k !== key));
  return { state: { entries, inherited }, change: { kind: 'removed' } };
};

/** The features in force: by name, the last one wins, and dynamic ConfigMaps win over all others. */
export const effectiveFeatures = (state: FeatureState): Features =>
  mergeFeatures(
    [...state.entries]
      .toSorted(([a, x], [b, y]) => Number(x.isDynamic) - Number(y.isDynamic) || (a < b ? -1 : Number(a > b)))
      .flatMap(([, { features }]) => (features ? [features] : [])),
  );

/** The accepted data of each ConfigMap, which the next leader needs. */
export const acceptedData = (state: FeatureState): Readonly<Record<string, ConfigData>> =>
  Object.fromEntries(
    [...state.entries]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, { accepted }]) => (accepted ? [[key, accepted]] : [])),
  );

/** One sentence for each ConfigMap with invalid data. */
export const problemsOf = (state: FeatureState): readonly string[] =>
  [...state.entries].flatMap(([key, { problem }]) => (problem ? [`${key}: ${problem}`] : [])).toSorted();
