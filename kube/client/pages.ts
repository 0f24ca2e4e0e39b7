import type { KubeObject } from '../../api/objects.ts';
import { pathOf, type Resource } from '../../api/resources.ts';
import { isGone } from '../errors.ts';
import type { ListOptions } from './requestoptions.ts';
import { compact } from './requests.ts';
import type { Sender } from './sender.ts';

const PAGE_SIZE = 500;
/** See https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches. */
const METADATA = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

interface Page<T> {
  readonly items?: T[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

interface ObjectList<T> {
  readonly items: T[];
  readonly resourceVersion: string;
}

const listOnce = async <T extends KubeObject>(
  sender: Sender,
  resource: Resource<T>,
  o: ListOptions,
): Promise<ObjectList<T>> => {
  const items: T[] = [];
  for (let next: string | undefined; ; ) {
    const page: Page<T> = await sender.send<Page<T>>({
      method: 'GET',
      path: pathOf(resource, o.namespace ? { namespace: o.namespace } : {}),
      query: compact({
        limit: PAGE_SIZE,
        continue: next,
        labelSelector: o.labelSelector,
        fieldSelector: o.fieldSelector,
      }),
      signal: o.signal,
      ...(o.isMetadataOnly && { accept: METADATA }),
      isRepeatable: true,
    });
    for (const item of page.items ?? []) items.push(item);
    next = page.metadata?.continue;
    if (!next) return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
  }
};

/** All matching objects, in pages of 500. Lists once more when the snapshot is compacted between two pages. */
export const listPages = async <T extends KubeObject>(
  sender: Sender,
  resource: Resource<T>,
  o: ListOptions,
): Promise<ObjectList<T>> => {
  try {
    return await listOnce(sender, resource, o);
  } catch (e) {
    if (isGone(e)) return await listOnce(sender, resource, o);
    throw e;
  }
};
