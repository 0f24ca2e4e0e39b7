/**
 * The functions of ECMAScript 2024 that we use and Node.js 20 lacks. The package is compiled against ECMAScript 2023
 * and these, so that nothing newer slips in (e2e/package/emit.ts).
 */
Promise.withResolvers ??= <T>(): PromiseWithResolvers<T> => {
  const parts: Partial<PromiseWithResolvers<T>> = {};
  const promise = new Promise<T>((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return { ...(parts as PromiseWithResolvers<T>), promise };
};

Map.groupBy ??= <K, T>(items: Iterable<T>, keySelector: (item: T, index: number) => K): Map<K, T[]> => {
  const groups = new Map<K, T[]>();
  let index = 0;
  for (const item of items) {
    const key = keySelector(item, index++);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
};

export {};
