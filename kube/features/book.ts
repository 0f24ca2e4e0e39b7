import { type Features, mergeFeatures, parseFeatures } from '../../api/features.ts';

export type Data = Readonly<Record<string, string>>;

/** One ConfigMap: what it holds, and what of it is in force, which is less recent where it can't be read. */
interface Entry {
  readonly seen: Data;
  readonly accepted?: Data;
  readonly features?: Features;
  readonly problem?: string;
  readonly isDynamic: boolean;
}

/** Every ConfigMap that holds features, by 'namespace/name', and what earlier leaders had accepted of each. */
export interface Book {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly remembered: Readonly<Record<string, Data>>;
}

export type News =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'applied'; readonly features: Features; readonly unknown: readonly string[] }
  | { readonly kind: 'refused'; readonly problem: string; readonly keepsEarlier: boolean }
  | { readonly kind: 'removed' };

export const openBook = (remembered: Readonly<Record<string, Data>> = {}): Book => ({
  entries: new Map(),
  remembered,
});

const isSame = (a: Data, b: Data): boolean => {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
};

/** What was in force for a ConfigMap before it became unreadable: in this life, or in the one of an earlier leader. */
const earlier = (book: Book, key: string): Pick<Entry, 'accepted' | 'features'> => {
  const { accepted, features } = book.entries.get(key) ?? {};
  if (accepted && features) return { accepted, features };
  const data = book.remembered[key];
  const parsed = data ? parseFeatures(data) : undefined;
  return data && parsed?.ok ? { accepted: data, features: parsed.features } : {};
};

const put = (book: Book, key: string, entry: Entry): Book => ({
  ...book,
  entries: new Map([...book.entries, [key, entry]]),
});

/** Takes in a ConfigMap as it is now. */
export const take = (
  book: Book,
  key: string,
  data: Data,
  isDynamic: boolean,
): { readonly book: Book; readonly news: News } => {
  const old = book.entries.get(key);
  if (old && isSame(old.seen, data)) return { book, news: { kind: 'unchanged' } };
  const parsed = parseFeatures(data);
  if (parsed.ok) {
    const { features, unknown } = parsed;
    const entry = { seen: data, accepted: data, features, isDynamic };
    return { book: put(book, key, entry), news: { kind: 'applied', features, unknown } };
  }
  const { problem } = parsed;
  const kept = earlier(book, key);
  return {
    book: put(book, key, { seen: data, ...kept, problem, isDynamic }),
    news: { kind: 'refused', problem, keepsEarlier: kept.features !== undefined },
  };
};

/** A ConfigMap that is gone says nothing any more, nor does what an earlier leader had accepted of it. */
export const drop = (book: Book, key: string): { readonly book: Book; readonly news: News } => {
  if (!book.entries.has(key)) return { book, news: { kind: 'unchanged' } };
  const { [key]: _, ...remembered } = book.remembered;
  const entries = new Map([...book.entries].filter(([k]) => k !== key));
  return { book: { entries, remembered }, news: { kind: 'removed' } };
};

/** What is in force: by name, the last one wins, and dynamic ConfigMaps win over all others. */
export const inForce = (book: Book): Features =>
  mergeFeatures(
    [...book.entries]
      .toSorted(([a, x], [b, y]) => Number(x.isDynamic) - Number(y.isDynamic) || (a < b ? -1 : Number(a > b)))
      .flatMap(([, { features }]) => (features ? [features] : [])),
  );

/** What the next leader needs to know: what is accepted of each ConfigMap. */
export const acceptedOf = (book: Book): Readonly<Record<string, Data>> =>
  Object.fromEntries(
    [...book.entries]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([key, { accepted }]) => (accepted ? [[key, accepted]] : [])),
  );

/** ConfigMaps that can't be read, each with what is wrong. */
export const problemsOf = (book: Book): readonly string[] =>
  [...book.entries].flatMap(([key, { problem }]) => (problem ? [`${key}: ${problem}`] : [])).toSorted();
