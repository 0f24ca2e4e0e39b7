import type { FoundOutside, InstalledObject } from '../facts.ts';
import { OUR_MARK, objectsOutside } from '../installed.ts';

/** What is found where just these of our objects are there, marked as ours unless said otherwise. */
export const foundOutside = (
  isThere: (one: InstalledObject) => boolean,
  labels: Readonly<Record<string, string>> = OUR_MARK,
): FoundOutside => {
  const objects = objectsOutside('castai-agent');
  return {
    there: objects
      .filter(isThere)
      .map((one) => ({ ...one, object: { metadata: { name: one.ref.name, labels } } })),
    missing: objects.filter((one) => !isThere(one)),
    unread: [],
  };
};
