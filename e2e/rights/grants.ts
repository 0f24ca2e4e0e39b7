import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

/** One thing that an account may do: one verb on one resource, where a rule of RBAC often holds several. */
export interface Grant {
  /** namespace:name of a ServiceAccount. */
  readonly account: string;
  readonly verb: string;
  /** With its group and subresource: pods, pods/binding, nodeclaims.karpenter.sh. */
  readonly resource: string;
  /** Absent for every object. */
  readonly name?: string;
  /** Absent for every namespace, and for what has none. */
  readonly namespace?: string;
}

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

interface RbacObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly Rule[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly namespace?: string;
  }[];
}

/** A resource as grants and requests name it. */
export const resourceName = (group: string, resource: string, subresource = ''): string => {
  const [plural = '', sub = subresource] = resource.split('/');
  return `${plural}${group === '' ? '' : `.${group}`}${sub === '' ? '' : `/${sub}`}`;
};

/** A grant in one line, as exceptions name it. */
export const textOf = ({ account, verb, resource, name, namespace }: Grant): string =>
  [
    account,
    verb,
    resource,
    ...(name === undefined ? [] : [name]),
    ...(namespace === undefined ? [] : ['in', namespace]),
  ].join(' ');

const grantsOfRule = (rule: Rule): readonly Pick<Grant, 'verb' | 'resource' | 'name'>[] =>
  (rule.apiGroups ?? []).flatMap((group) =>
    (rule.resources ?? []).flatMap((resource) =>
      rule.verbs.flatMap((verb) =>
        (rule.resourceNames ?? [undefined]).map((name) => ({
          verb,
          resource: resourceName(group, resource),
          ...(name !== undefined && { name }),
        })),
      ),
    ),
  );

/** What these objects of RBAC grant to ServiceAccounts, each grant once. */
export const grantsOf = (objects: readonly RbacObject[]): readonly Grant[] => {
  const rulesOf = (kind: string, name: string, namespace?: string): readonly Rule[] =>
    objects.find(
      (one) =>
        one.kind === kind &&
        one.metadata.name === name &&
        (kind === 'ClusterRole' || one.metadata.namespace === namespace),
    )?.rules ?? [];
  const grants = objects.flatMap(({ kind, metadata, roleRef, subjects }) => {
    if (roleRef === undefined) return [];
    const namespace = kind === 'RoleBinding' ? metadata.namespace : undefined;
    const rules = rulesOf(roleRef.kind, roleRef.name, namespace).flatMap(grantsOfRule);
    return (subjects ?? [])
      .filter((subject) => subject.kind === 'ServiceAccount')
      .flatMap((subject) =>
        rules.map(
          (rule): Grant => ({
            account: `${subject.namespace}:${subject.name}`,
            ...rule,
            ...(namespace !== undefined && { namespace }),
          }),
        ),
      );
  });
  return [...new Map(grants.map((grant) => [textOf(grant), grant])).values()];
};

/** What a folder of manifests grants. */
export const readGrants = (folder: string): readonly Grant[] =>
  grantsOf(
    globSync('**/*.yaml', { cwd: folder })
      .sort()
      .flatMap((file) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')))
      .map((document) => document.toJS() as RbacObject | null)
      .filter((object): object is RbacObject => object !== null && object.metadata !== undefined),
  );
