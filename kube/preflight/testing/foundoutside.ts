import type { FoundOutside, InstalledObject } from '../facts.ts';
import { objectsOutside } from '../installed.ts';

/** What is found where just these of our objects are there. */
export const foundOutside = (isThere: (one: InstalledObject) => boolean): FoundOutside => {
  const objects = objectsOutside('castai-agent');
  return {
    there: objects.filter(isThere).map((one) => ({ ...one, object: { metadata: { name: one.ref.name } } })),
    missing: objects.filter((one) => !isThere(one)),
    unread: [],
  };
};
