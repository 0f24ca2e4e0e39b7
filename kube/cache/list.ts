import type { KubeObject } from '../../api/objects.ts';
import { isGone } from '../errors.ts';
import { collectionOf, type Scope, selectorsOf } from './watch.ts';

const PAGE = 500;
const RESTARTS = 4;

interface Page<T> {
  readonly items?: readonly T[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/** Reads all pages of one consistent snapshot and returns its version. Throws KubeError. */
const listOnce = async <T extends KubeObject>(
  scope: Scope<T>,
  limit: number,
  signal: AbortSignal,
  onObject: (object: T) => void,
): Promise<string> => {
  for (let next: string | undefined; ; ) {
    const page = await scope.client.request<Page<T>>('GET', collectionOf(scope), {
      query: { ...selectorsOf(scope), limit: String(limit), ...(next && { continue: next }) },
      signal,
    });
    if (signal.aborted) return '';
    for (const item of page.items ?? []) onObject(item);
    next = page.metadata?.continue;
    if (!next) return page.metadata?.resourceVersion ?? '';
  }
};

/**
 * Lists everything in pages of 500; throws KubeError. A snapshot that is compacted between two pages is listed again
 * with larger pages.
 */
export const listAll = async <T extends KubeObject>(
  scope: Scope<T>,
  signal: AbortSignal,
  onObject: (object: T) => void,
): Promise<string> => {
  for (let restart = 0; ; restart++) {
    try {
      return await listOnce(scope, PAGE * 2 ** restart, signal, onObject);
    } catch (e) {
      if (!isGone(e) || restart === RESTARTS) throw e;
    }
  }
};
