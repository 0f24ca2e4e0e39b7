import type { Exception } from './compare.ts';

/** Rights that the suites on a whole cluster do not show in use, each with the reason why it is granted all the same. */
export const EXCEPTIONS: readonly Exception[] = [];
