import { fieldsOf, OUR_KINDS } from '../../api/kinds/published.ts';
import { GROUP_VERSION } from '../../api/labels.ts';
import { again } from './again.ts';
import { type Check, checkFound, type Found, fine, lacks, listed } from './check.ts';
import type { PublishedSchemas } from './facts.ts';

/** Whether our kinds are installed, with the fields and rules of this release: older ones drop what we write. */
export const checkKinds = (schemas: Found<PublishedSchemas>): readonly Check[] =>
  checkFound('crds', 'Our CRDs', schemas, (found) => {
    const missing = OUR_KINDS.filter(({ kind }) => !found.has(kind)).map(({ kind }) => kind);
    if (missing.length > 0) {
      return [lacks(`${GROUP_VERSION} is served without ${listed(missing)}: ${again('cluster')}.`)];
    }
    const old = OUR_KINDS.flatMap(({ kind, schema }) => {
      const has = fieldsOf(found.get(kind) ?? {});
      return [...fieldsOf(schema)].filter((field) => !has.has(field)).map((field) => `${kind}${field}`);
    });
    return [
      old.length > 0
        ? lacks(
            `The CRDs are older than this release, and the API server would drop ${listed(old, 3)}: ${again('cluster')}.`,
          )
        : fine(`All ${OUR_KINDS.length} kinds of ${GROUP_VERSION} are served as this release knows them.`),
    ];
  });
