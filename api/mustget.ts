/** The value of a key that must be there. Throws an Error that names `what` is missing. */
export const mustGet = <K, V>(map: { get(key: K): V | undefined }, key: K, what: string): V => {
  const value = map.get(key);
  if (value === undefined) throw new Error(`${what} ${String(key)} is missing`);
  return value;
};
