/** Patches of JSON values. Nothing is changed in place, so that stored objects may be shared. */

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** RFC 7386. */
export const mergePatch = (target: unknown, patch: unknown): unknown => {
  if (!isObject(patch)) return patch;
  const result: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === undefined) continue;
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
};

export interface JsonPatchOperation {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
}

const isSame = (a: unknown, b: unknown): boolean => {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((each, at) => isSame(each, b[at]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return keys.every((key) => isSame(a[key], b[key]));
};

export const isSameJson = isSame;

const change = (target: unknown, keys: readonly string[], operation: JsonPatchOperation): unknown => {
  const [key, ...rest] = keys;
  if (key === undefined) {
    if (operation.op === 'test' && !isSame(target, operation.value)) throw new Error('the test failed');
    return operation.op === 'test' ? target : operation.value;
  }
  if (Array.isArray(target)) {
    const at = key === '-' ? target.length : Number(key);
    if (rest.length > 0 || operation.op === 'test') {
      return target.with(at, change(target[at], rest, operation));
    }
    if (operation.op === 'add') return target.toSpliced(at, 0, operation.value);
    if (at >= target.length) throw new Error(`there is no ${operation.path}`);
    return operation.op === 'remove' ? target.toSpliced(at, 1) : target.with(at, operation.value);
  }
  if (!isObject(target)) throw new Error(`there is no ${operation.path}`);
  if (rest.length === 0 && operation.op === 'remove') {
    if (!(key in target)) throw new Error(`there is no ${operation.path}`);
    const { [key]: _, ...others } = target;
    return others;
  }
  if (rest.length === 0 && operation.op === 'replace' && !(key in target)) {
    throw new Error(`there is no ${operation.path}`);
  }
  return { ...target, [key]: change(target[key], rest, operation) };
};

/** RFC 6902 without move and copy. Throws where a test fails or a path does not exist. */
export const jsonPatch = (target: unknown, operations: readonly JsonPatchOperation[]): unknown =>
  operations.reduce<unknown>((value, operation) => {
    const keys = operation.path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    return change(value, keys, operation);
  }, target);

/** Paths of all leaves below a value, lists counted as one leaf. */
export const leavesOf = (value: unknown, prefix = ''): readonly string[] =>
  isObject(value)
    ? Object.entries(value).flatMap(([key, each]) => leavesOf(each, `${prefix}/${key.replaceAll('/', '~1')}`))
    : [prefix];

export const valueAt = (target: unknown, path: string): unknown =>
  path
    .split('/')
    .slice(1)
    .reduce<unknown>(
      (value, key) => (isObject(value) ? value[key.replaceAll('~1', '/')] : undefined),
      target,
    );
