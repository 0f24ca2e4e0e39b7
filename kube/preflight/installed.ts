import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import { mapConcurrently } from '../concurrency.ts';
import { isAborted, messageOf } from '../errors.ts';
import { getIfServed } from '../ignore.ts';
import type { FoundObject, FoundOutside, InstalledObject, Part, Reading } from './facts.ts';
import { INSTALLED_OBJECTS } from './installedobjects.ts';

const objectOfLine = (line: string, namespace: string): InstalledObject => {
  const [state, part, kind = '', full = '', named = '', , within] = line.split(' ');
  const [plural = '', version = '', ...group] = full.split('.');
  const isOurNamespace = kind === 'Namespace' && named === INSTALL_NAMESPACE;
  const where = within === INSTALL_NAMESPACE ? namespace : within;
  return {
    resource: { group: group.join('.'), version, kind, plural, namespaced: where !== undefined },
    ref: { name: isOurNamespace ? namespace : named, ...(where !== undefined && { namespace: where }) },
    part: part === 'cluster' ? 'cluster' : 'components',
    isOptional: state === 'optional',
  };
};

/** All objects that an installation in this namespace may consist of. */
export const installedObjects = (namespace: string = INSTALL_NAMESPACE): readonly InstalledObject[] =>
  INSTALLED_OBJECTS.map((line) => objectOfLine(line, namespace));

/** Those that are there after their namespace is deleted. */
export const objectsOutside = (namespace: string): readonly InstalledObject[] =>
  installedObjects(namespace).filter(({ ref }) => ref.namespace !== namespace);

/** Names of the stock or optional objects of a kind. */
export const namesOfKind = (kind: string, o: { readonly isOptional: boolean }): readonly string[] =>
  installedObjects()
    .filter(({ resource, isOptional }) => resource.kind === kind && isOptional === o.isOptional)
    .map(({ ref }) => ref.name)
    .sort();

/** Objects by the charts that hold them, those of the cluster first; a part without any is left out. */
export const byPart = <T extends { readonly part: Part }>(
  objects: readonly T[],
): readonly (readonly [Part, readonly T[]])[] =>
  (['cluster', 'components'] as const).flatMap((part) => {
    const of = objects.filter((one) => one.part === part);
    return of.length === 0 ? [] : [[part, of] as const];
  });

/** An object as the middle of a sentence: `ClusterRole castai-kentroller`. */
export const objectText = ({ resource, ref }: Pick<InstalledObject, 'resource' | 'ref'>): string =>
  `${resource.kind} ${ref.name}${ref.namespace === undefined ? '' : ` in ${ref.namespace}`}`;

const PART_OF = 'app.kubernetes.io/part-of';
const PRODUCT = 'precision-packer';

/** The label that our manifests and charts put on all that they install; a name alone may be of others. */
export const OUR_MARK: Readonly<Record<string, string>> = { [PART_OF]: PRODUCT };

/** The mark as a selector. */
export const OUR_SELECTOR = `${PART_OF}=${PRODUCT}`;

export const isMarkedAsOurs = ({ object }: FoundObject): boolean =>
  object.metadata.labels?.[PART_OF] === PRODUCT;

const AT_ONCE = 8;

/** Looks for each object outside of the namespace; a kind that is not served has none. Throws when the signal aborts. */
export const findOutside = async ({ client, signal }: Reading, namespace: string): Promise<FoundOutside> => {
  const objects = objectsOutside(namespace);
  const results = await mapConcurrently(objects, AT_ONCE, ({ resource, ref }) =>
    getIfServed(client.get(resource, ref, { signal })),
  );
  const there: FoundObject[] = [];
  const missing: InstalledObject[] = [];
  const unread = new Map<string, string>();
  for (const [at, one] of objects.entries()) {
    const result = results[at];
    if (result?.status === 'fulfilled') {
      if (result.value) there.push({ ...one, object: result.value });
      else missing.push(one);
    } else {
      if (isAborted(result?.reason)) throw result?.reason;
      const { kind, plural } = one.resource;
      unread.set(kind, `${plural} can't be read: ${messageOf(result?.reason)}`);
    }
  }
  return { there, missing, unread: [...unread].map(([kind, message]) => ({ kind, message })) };
};
