import { isConflict, isNotFound } from './errors.ts';

/** Rethrows every error but NotFound, for `.catch()`: the object no longer exists. */
export const ignoreNotFound = (error: unknown): undefined => {
  if (!isNotFound(error)) throw error;
};

/** Rethrows every error but NotFound and Conflict: the object no longer exists, or its change brings the key back. */
export const ignoreNotFoundOrConflict = (error: unknown): undefined => {
  if (!isNotFound(error) && !isConflict(error)) throw error;
};

/** The object of a request; undefined where the API server has none. */
export const getOrUndefined = <T>(request: Promise<T>): Promise<T | undefined> =>
  request.catch(ignoreNotFound);
