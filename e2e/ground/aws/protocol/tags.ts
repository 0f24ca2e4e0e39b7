import { type Form, list, text } from './form.ts';
import type { Xml } from './xml.ts';

export type Tags = ReadonlyMap<string, string>;

/** The tags of a `Tag.N.Key`, `Tag.N.Value` list. */
export const tagsIn = (form: Form | undefined): Map<string, string> =>
  new Map(list(form, 'Tag').map((each) => [text(each, 'Key') ?? '', text(each, 'Value') ?? '']));

/** The tags that a request puts on resources of one type. */
export const taggedAs = (form: Form, resourceType: string): Map<string, string> => {
  const tags = new Map<string, string>();
  for (const each of list(form, 'TagSpecification'))
    if (text(each, 'ResourceType') === resourceType) for (const [k, v] of tagsIn(each)) tags.set(k, v);
  return tags;
};

export const tagSet = (tags: Tags): Xml => [...tags].map(([key, value]) => ({ key, value }));
