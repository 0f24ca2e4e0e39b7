import type { ExpiringCredentials } from '../reader.ts';

/** Time before their end from which on credentials are read again. */
const BEFORE_END_MS = 5 * 60_000;
/** Time after which credentials without an end are read again: somebody may have changed them. */
const KEPT_MS = 15 * 60_000;

/** Credentials that are read when the last ones are about to end, once for all who ask meanwhile. */
export const keepCredentials = (
  read: (signal: AbortSignal) => Promise<ExpiringCredentials>,
  now: () => number = Date.now,
): ((signal: AbortSignal) => Promise<ExpiringCredentials>) => {
  let known: { readonly credentials: ExpiringCredentials; readonly until: number } | undefined;
  let reading: Promise<ExpiringCredentials> | undefined;
  return async (signal) => {
    if (known && now() < known.until) return known.credentials;
    reading ??= read(signal)
      .then((credentials) => {
        const { expiresAt } = credentials;
        const until = expiresAt === undefined ? now() + KEPT_MS : expiresAt - BEFORE_END_MS;
        known = { credentials, until };
        return credentials;
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };
};
