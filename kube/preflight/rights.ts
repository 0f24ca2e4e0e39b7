import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import type { KubeClient } from '../client/client.ts';
import { mapConcurrently } from '../concurrency.ts';
import { GRANTED_RIGHTS } from './grantedrights.ts';

/** One verb on one resource, of one ServiceAccount. */
export interface Right {
  readonly account: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  /** Absent for every namespace, and for what has none. */
  readonly namespace?: string;
}

const rightsOfLine = (line: string): readonly Right[] => {
  const [account = '', verbs = '', full = '', ...rest] = line.split(' ');
  const [kind = '', subresource] = full.split('/');
  const [resource = '', ...group] = kind.split('.');
  const at = rest.indexOf('in');
  const name = at === 0 ? undefined : rest[0];
  const namespace = at < 0 ? undefined : rest[at + 1];
  return verbs.split(',').map((verb) => ({
    account,
    verb,
    group: group.join('.'),
    resource,
    ...(subresource !== undefined && { subresource }),
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
  }));
};

/** The rights that our manifests grant, for an installation in this namespace. */
export const grantedRights = (namespace: string): readonly Right[] =>
  GRANTED_RIGHTS.flatMap((line) =>
    rightsOfLine(line.replaceAll(new RegExp(`(?<= )${INSTALL_NAMESPACE}(?= |$)`, 'g'), () => namespace)),
  );

const resourceText = ({ group, resource, subresource }: Right): string =>
  `${resource}${group === '' ? '' : `.${group}`}${subresource === undefined ? '' : `/${subresource}`}`;

/** A right as the end of a sentence: list pods, get leases.coordination.k8s.io castai-kentroller in castai-agent. */
export const rightText = (right: Right): string =>
  [
    right.verb,
    resourceText(right),
    ...(right.name === undefined ? [] : [right.name]),
    ...(right.namespace === undefined ? [] : ['in', right.namespace]),
  ].join(' ');

interface Review {
  readonly status?: { readonly allowed?: boolean };
}

const VERSION = 'authorization.k8s.io/v1';
const AT_ONCE = 8;

const attributesOf = ({ account: _, ...attributes }: Right): object => attributes;

/** Those of the rights that are not granted, by one review each. Throws the first error. */
const askEach = async (
  client: KubeClient,
  rights: readonly Right[],
  o: { readonly kind: string; readonly userOf: (right: Right) => object; readonly signal: AbortSignal },
): Promise<readonly Right[]> => {
  const { kind, signal } = o;
  const answers = await mapConcurrently(rights, AT_ONCE, async (right) => {
    const spec = { ...o.userOf(right), resourceAttributes: attributesOf(right) };
    const body = { apiVersion: VERSION, kind, spec };
    const review = await client.request<Review>('POST', `/apis/${VERSION}/${kind.toLowerCase()}s`, {
      body,
      signal,
    });
    return review.status?.allowed === true;
  });
  return rights.filter((_, index) => {
    const answer = answers[index];
    if (answer?.status === 'rejected') throw answer.reason;
    return answer?.value !== true;
  });
};

/** The rights that our accounts in a namespace lack; who asks for others needs a right himself. */
export const askAccounts = async (
  client: KubeClient,
  o: { readonly namespace: string; readonly signal: AbortSignal },
): Promise<readonly Right[]> =>
  askEach(client, grantedRights(o.namespace), {
    kind: 'SubjectAccessReview',
    signal: o.signal,
    userOf: ({ account }) => ({
      user: `system:serviceaccount:${o.namespace}:${account}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${o.namespace}`, 'system:authenticated'],
    }),
  });

/** Those of the rights that the client's own user lacks. */
export const askOneself = async (
  client: KubeClient,
  rights: readonly Right[],
  signal: AbortSignal,
): Promise<readonly Right[]> =>
  askEach(client, rights, { kind: 'SelfSubjectAccessReview', signal, userOf: () => ({}) });

interface Rule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** The rules of one's own user in a namespace; incomplete where an authorizer can't list its rules. */
export interface OwnRules {
  readonly resourceRules: readonly Rule[];
  readonly incomplete: boolean;
}

const allows = (rule: Rule, { verb, group, resource, subresource, name }: Right): boolean => {
  const has = (list: readonly string[] | undefined, ...values: readonly string[]): boolean =>
    list?.some((each) => each === '*' || values.includes(each)) ?? false;
  const full = subresource === undefined ? [resource] : [`${resource}/${subresource}`, `*/${subresource}`];
  const names = rule.resourceNames ?? [];
  return (
    has(rule.verbs, verb) &&
    has(rule.apiGroups, group) &&
    has(rule.resources, ...full) &&
    (names.length === 0 || (name !== undefined && names.includes(name)))
  );
};

/** Those of an account's rights that its rules do not have. */
export const missingInRules = (rights: readonly Right[], rules: OwnRules): readonly Right[] =>
  rights.filter((right) => !rules.resourceRules.some((rule) => allows(rule, right)));

/** One's own rules in a namespace, cluster-wide ones included. */
export const readOwnRules = async (
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<OwnRules> => {
  const body = { apiVersion: VERSION, kind: 'SelfSubjectRulesReview', spec: { namespace } };
  const { status } = await client.request<{ readonly status: OwnRules }>(
    'POST',
    `/apis/${VERSION}/selfsubjectrulesreviews`,
    { body, signal },
  );
  return { resourceRules: status.resourceRules ?? [], incomplete: status.incomplete };
};
