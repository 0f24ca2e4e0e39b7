import { isConflict, isNotFound, isUnserved } from './errors.ts';

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

/** Rethrows every error but one that says that the API server does not serve the kind. */
export const ignoreUnserved = (error: unknown): undefined => {
  if (!isUnserved(error)) throw error;
};

/** The object of a request; undefined where the API server has none, or does not serve its kind any more. */
export const getIfServed = <T>(request: Promise<T>): Promise<T | undefined> =>
  getOrUndefined(request).catch(ignoreUnserved);
