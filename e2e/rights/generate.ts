import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Grant, readGrants } from './grants.ts';

/** Writes the rights that manifests/base grants, for the preflight to ask for: run by `make generate`, checked by `make verify`. */

const MANIFESTS = fileURLToPath(new URL('../../manifests/base', import.meta.url));
const OUT = new URL('../../kube/preflight/grantedrights.ts', import.meta.url);

const lineOf = (grants: readonly Grant[]): string => {
  const [first] = grants;
  if (!first) return '';
  const { account, resource, name, namespace } = first;
  const verbs = grants.map(({ verb }) => verb).join(',');
  const where = [...(name ? [name] : []), ...(namespace ? ['in', namespace] : [])];
  return [account.split(':')[1], verbs, resource, ...where].join(' ');
};

const lines = [
  ...Map.groupBy(readGrants(MANIFESTS), ({ account, resource, name, namespace }) =>
    [account, resource, name, namespace].join('\n'),
  ).values(),
].map(lineOf);

writeFileSync(
  OUT,
  `/**
 * Rights of our ServiceAccounts, one a line: account, verbs, resource with its group, name, namespace. Made from manifests/base by
 * \`make generate\`.
 */
export const GRANTED_RIGHTS: readonly string[] = [
${lines.map((line) => `  '${line}',`).join('\n')}
];
`,
);
