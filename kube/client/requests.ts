import { apiVersionOf, pathOf, type Resource } from '../../api/resources.ts';
import { printableLines } from '../../api/text/printable.ts';
import { KubeError, type Subject } from '../errors.ts';
import type { DeleteOptions, EvictedPod, Ref, WriteOptions } from './requestoptions.ts';

/** Query parameters without those that are undefined or false. */
export const compact = (
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(query).flatMap(([k, v]) => (v === undefined || v === false ? [] : [[k, String(v)]])),
  );

/** Query parameters of a write. */
export const writeQuery = (
  o: { readonly dryRun?: boolean; readonly fieldManager?: string; readonly force?: boolean } | undefined,
): Record<string, string> =>
  compact({ dryRun: o?.dryRun ? 'All' : undefined, fieldManager: o?.fieldManager, force: o?.force });

export const PATCH_CONTENT_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** True when the server refuses the write if the object has changed, so that a repetition could conflict with itself. */
export const hasPrecondition = (body: object): boolean => {
  const meta: unknown = 'metadata' in body ? body.metadata : undefined;
  return typeof meta === 'object' && meta !== null && 'resourceVersion' in meta;
};

/** The path of an object, or of its collection without a name. Throws a terminal KubeError without a namespace. */
export const pathTo = (
  resource: Resource,
  ref: { readonly name?: string; readonly namespace?: string },
  subresource?: string,
): string => {
  if (resource.namespaced && !ref.namespace)
    throw new KubeError(`${resource.kind} ${ref.name ?? ''} needs a namespace, and none was given`, {
      kind: 'terminal',
    });
  return pathOf(resource, { ...ref, ...(subresource && { subresource }) });
};

/** The path of an object, and what an answer has to name to be about it. */
export const objectAt = (
  resource: Resource,
  ref: Ref,
  subresource?: string,
): { readonly path: string; readonly about: Subject } => ({
  path: pathTo(resource, ref, subresource),
  about: { ...refOf({ metadata: ref }), plural: resource.plural },
});

/** The object with the apiVersion and kind of its resource. */
export const withType = (resource: Resource, object: object): object => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  ...object,
});

export const refOf = (object: {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}): Ref => {
  const { name, namespace } = object.metadata;
  return { name, ...(namespace && { namespace }) };
};

/** What the server compares with the object before it deletes it. */
const preconditionsOf = ({
  uid,
  resourceVersion,
}: {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}): object =>
  uid || resourceVersion
    ? { preconditions: { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) } }
    : {};

/** The body of a DELETE. */
export const deleteBody = (o: DeleteOptions = {}): object => {
  const { uid, resourceVersion, gracePeriodSeconds, propagationPolicy, dryRun } = o;
  return {
    apiVersion: 'v1',
    kind: 'DeleteOptions',
    ...preconditionsOf({ uid, resourceVersion }),
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(propagationPolicy && { propagationPolicy }),
    ...(dryRun && { dryRun: ['All'] }),
  };
};

/** The body of pods/eviction. */
export const evictionBody = (
  { name, namespace, uid, resourceVersion }: EvictedPod,
  o: WriteOptions & { readonly gracePeriodSeconds?: number } = {},
): object => ({
  apiVersion: 'policy/v1',
  kind: 'Eviction',
  metadata: { name, namespace },
  deleteOptions: {
    ...preconditionsOf({ uid, resourceVersion }),
    ...(o.gracePeriodSeconds !== undefined && { gracePeriodSeconds: o.gracePeriodSeconds }),
    ...(o.dryRun && { dryRun: ['All'] }),
  },
});

/**
 * The body of a write; in a status, which kubectl prints, all text is printable: names and reasons of a remote planner,
 * of the cloud and of users' YAML end up there.
 */
export const writeBody = (body: object, subresource: string | undefined): object => {
  if (subresource !== 'status') return body;
  const text = JSON.stringify(body);
  // Lossless as JSON, so a difference only tells that there is something to show.
  if (!text.includes('\\u') && printableLines(text) === text) return body;
  return JSON.parse(text, (_, value: unknown) => (typeof value === 'string' ? printableLines(value) : value));
};
