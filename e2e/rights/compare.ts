import { type Grant, textOf } from './grants.ts';
import type { Request } from './requests.ts';

/** A right that no suite makes use of, or that reaches further than any use, and why it is granted all the same. */
export interface Exception extends Omit<Grant, 'verb'> {
  readonly verbs: readonly string[];
  readonly reason: string;
}

/** Where rights and their use differ, one line each. */
export type Differences = readonly string[];

const covers = (grant: Grant, request: Request): boolean =>
  grant.account === request.account &&
  grant.verb === request.verb &&
  grant.resource === request.resource &&
  (grant.namespace === undefined || grant.namespace === request.namespace) &&
  (grant.name === undefined || grant.name === request.name);

/**
 * Whether a request makes use of a grant. A watch does of a list, too: on API servers without streaming lists, a cache
 * lists before it watches, and whoever may watch is shown everything in any case.
 */
const isUse = (grant: Grant, request: Request): boolean =>
  covers(grant, request) ||
  (grant.verb === 'list' && request.verb === 'watch' && covers({ ...grant, verb: 'watch' }, request));

/** Whether everything that the second one allows is allowed by the first one already. */
const includes = (wide: Grant, narrow: Grant): boolean =>
  wide !== narrow &&
  wide.account === narrow.account &&
  wide.verb === narrow.verb &&
  wide.resource === narrow.resource &&
  (wide.namespace === undefined || wide.namespace === narrow.namespace) &&
  (wide.name === undefined || wide.name === narrow.name);

const requestText = ({ isAllowed: _, ...request }: Request): string => textOf(request);

/** Requests that the manifests do not allow, whoever else may have allowed them. */
export const usedNotGranted = (grants: readonly Grant[], requests: readonly Request[]): Differences =>
  requests
    .filter((request) => !grants.some((grant) => covers(grant, request)))
    .map((request) => `used but not granted: ${requestText(request)}`);

/** Grants that no request needed, that another one includes, or that are wider than all requests together. */
export const grantedNotUsed = (
  grants: readonly Grant[],
  requests: readonly Request[],
  exceptions: readonly Exception[],
): Differences => {
  const excepted = new Map(
    exceptions.flatMap(({ verbs, reason: _, ...rest }) =>
      verbs.map((verb) => {
        const grant = { ...rest, verb };
        return [textOf(grant), grant] as const;
      }),
    ),
  );
  const judge = (grant: Grant): string | undefined => {
    if (grants.some((other) => includes(other, grant))) return 'granted twice';
    const uses = requests.filter((request) => request.isAllowed && isUse(grant, request));
    if (uses.length === 0) return 'granted but not used';
    const [first] = uses;
    // One namespace alone, where the grant is for all: a Role would do.
    const isWide = grant.namespace === undefined && OURS_ALONE.has(first?.namespace ?? '');
    return isWide && uses.every((use) => use.namespace === first?.namespace)
      ? `used in ${first?.namespace} alone, but granted everywhere`
      : undefined;
  };
  const unused = grants
    .filter((grant) => !excepted.has(textOf(grant)))
    .flatMap((grant) => {
      const what = judge(grant);
      return what === undefined ? [] : [`${what}: ${textOf(grant)}`];
    });
  const granted = new Set(grants.map(textOf));
  const stale = [...excepted.keys()]
    .filter((text) => !granted.has(text))
    .map((text) => `excepted but not granted: ${text}`);
  return [...unused, ...stale];
};

/** Namespaces that are fixed; tests make others, and so do users. */
const OURS_ALONE: ReadonlySet<string> = new Set(['castai-agent', 'kube-node-lease']);
