import { appendFileSync, createReadStream, existsSync, globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { resourceName, textOf } from './grants.ts';

/** What an account of ours asked the API server for; equal requests count as one. */
export interface Request {
  /** namespace:name of the ServiceAccount. */
  readonly account: string;
  readonly verb: string;
  /** With its group and subresource. */
  readonly resource: string;
  readonly name?: string;
  readonly namespace?: string;
  /** Whether any of them was allowed. */
  readonly isAllowed: boolean;
}

interface Line {
  readonly verb: string;
  readonly user: {
    readonly username: string;
    readonly extra?: Readonly<Record<string, readonly string[]>>;
  };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource?: string;
    readonly subresource?: string;
    readonly namespace?: string;
    readonly name?: string;
  };
  readonly responseStatus?: { readonly code?: number };
  readonly annotations?: Readonly<Record<string, string>>;
}

const OURS = 'system:serviceaccount:castai-agent:';
const DECISION = 'authorization.k8s.io/decision';
/** Only the token that a kubelet gave to a pod names it: tests that play our components use others. */
const POD = 'authentication.kubernetes.io/pod-name';

/** The requests to authorize in one line: a patch that created its object was asked for a create as well. */
const requestsOf = (
  { verb, user, objectRef, responseStatus, annotations }: Line,
  elsewhere: ReadonlySet<string>,
): readonly Request[] => {
  const [pod] = user.extra?.[POD] ?? [];
  if (!user.username.startsWith(OURS) || pod === undefined || objectRef?.resource === undefined) return [];
  if (elsewhere.has(pod.slice(0, pod.lastIndexOf('-')))) return [];
  const { apiGroup = '', resource, subresource, namespace, name } = objectRef;
  // Only the body of a create names its object, which RBAC does not read.
  const isNameless = verb === 'create' && subresource === undefined;
  const request: Request = {
    account: user.username.slice('system:serviceaccount:'.length),
    verb,
    resource: resourceName(apiGroup, resource, subresource),
    ...(name !== undefined && !isNameless && { name }),
    // The API server takes a Namespace for a part of itself.
    ...(namespace !== undefined && resource !== 'namespaces' && { namespace }),
    isAllowed: annotations?.[DECISION] === 'allow',
  };
  const hasCreated = verb === 'patch' && responseStatus?.code === 201;
  return hasCreated ? [request, { ...request, verb: 'create' }] : [request];
};

/** Gathers the different requests among lines of an audit log; those of pods of the ReplicaSets `elsewhere` do not count. */
export const requestsIn = async (
  lines: AsyncIterable<string> | Iterable<string>,
  elsewhere: ReadonlySet<string> = new Set(),
): Promise<readonly Request[]> => {
  const found = new Map<string, Request>();
  for await (const line of lines) {
    // Most lines are other people's, and long.
    if (!line.includes(OURS)) continue;
    for (const request of requestsOf(JSON.parse(line) as Line, elsewhere)) {
      const { isAllowed, ...asked } = request;
      const key = textOf(asked);
      if (isAllowed || !found.has(key)) found.set(key, request);
    }
  }
  return [...found.values()];
};

/** Beside an audit log: names of ReplicaSets whose pods are of another release, with rights of their own. */
const elsewhereOf = (file: string): string => join(dirname(file), 'other-releases.txt');

/** Has the pods of these ReplicaSets count no more among the requests of a ground's audit log. */
export const leaveOut = (file: string, replicaSets: readonly string[]): void =>
  appendFileSync(elsewhereOf(file), replicaSets.map((name) => `${name}\n`).join(''));

/** The requests in an audit log, with the parts of it that were rotated away. */
export const readRequests = async (file: string): Promise<readonly Request[]> => {
  const folder = dirname(file);
  const parts = globSync(`${basename(file, '.log')}*.log`, { cwd: folder }).sort();
  const all = async function* (): AsyncIterable<string> {
    for (const part of parts) yield* createInterface({ input: createReadStream(join(folder, part), 'utf8') });
  };
  const left = elsewhereOf(file);
  return requestsIn(all(), new Set(existsSync(left) ? readFileSync(left, 'utf8').split('\n') : []));
};
