/** Where a value is within another: keys and indexes. */
export type Path = readonly (string | number)[];

/** Every path of a value, the longest first. */
export const pathsOf = (value: unknown, at: Path = []): Path[] => {
  if (typeof value !== 'object' || value === null) return [at];
  const inner = Object.entries(value).flatMap(([key, item]) =>
    pathsOf(item, [...at, Array.isArray(value) ? Number(key) : key]),
  );
  return at.length > 0 ? [...inner, at] : inner;
};

/** A copy with the value at the path deleted, or replaced. */
export const changed = (value: unknown, [key, ...rest]: Path, by: unknown): unknown => {
  if (key === undefined) return by;
  if (Array.isArray(value)) {
    return by === undefined && rest.length === 0
      ? value.filter((_, index) => index !== key)
      : value.map((item, index) => (index === key ? changed(item, rest, by) : item));
  }
  const { [String(key)]: item, ...others } = value as Record<string, unknown>;
  return by === undefined && rest.length === 0
    ? others
    : { ...others, [String(key)]: changed(item, rest, by) };
};
