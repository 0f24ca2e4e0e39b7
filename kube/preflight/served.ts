import type { Resource } from '../../api/resources.ts';
import { isUnserved } from '../errors.ts';
import type { Reading } from './facts.ts';

/** What an API server serves, as it says itself; everyone may ask. */

/** A served kind, as `readServed` names it. */
export const servedName = ({ group, version, plural }: Resource): string => `${plural}.${version}.${group}`;

/** The answer, or undefined where there is nothing at that path. */
export const getIfServed = async <T>({ client, signal }: Reading, path: string): Promise<T | undefined> => {
  try {
    return await client.request<T>('GET', path, { signal });
  } catch (error) {
    if (isUnserved(error)) return undefined;
    throw error;
  }
};

interface ResourceList {
  readonly resources: readonly { readonly name: string }[];
}

const pathOfVersion = ({ group, version }: Resource): string =>
  group === '' ? `/api/${version}` : `/apis/${group}/${version}`;

/** Names of all kinds that are served in the groups and versions of these. */
export const readServed = async (o: Reading, kinds: readonly Resource[]): Promise<ReadonlySet<string>> => {
  const versions = new Map(kinds.map((kind) => [pathOfVersion(kind), kind]));
  const served = await Promise.all(
    [...versions].map(async ([path, kind]) => {
      const list = await getIfServed<ResourceList>(o, path);
      return (list?.resources ?? []).map(({ name }) => servedName({ ...kind, plural: name }));
    }),
  );
  return new Set(served.flat());
};
