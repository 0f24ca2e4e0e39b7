import type { Pod } from '../api/objects.ts';

/** The versions of AdmissionReview that the API server may send; the answer has the same. */
const VERSIONS: readonly unknown[] = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'];

/** A creation that is asked about. */
export interface Asked {
  readonly apiVersion: string;
  readonly uid: string;
  readonly namespace: string;
  readonly isDryRun: boolean;
  /** Undefined when it is not about the creation of a pod. */
  readonly pod: Pod | undefined;
}

export interface Operation {
  readonly op: 'add' | 'replace' | 'remove';
  readonly path: string;
  readonly value?: unknown;
}

/** A body that is no AdmissionReview; answered with 400. */
export class BadReview extends Error {
  readonly statusCode = 400;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const bad = (what: string, wanted: string): never => {
  throw new BadReview(`This is no AdmissionReview: ${what} has to be ${wanted}.`);
};

const textOf = (fields: Fields, name: string, where: string): string => {
  const value = fields[name] ?? '';
  return typeof value === 'string' ? value : bad(`${where}.${name}`, 'a text');
};

/** The object of the request, where there is one, with the two parts that every pod has. */
const objectOf = ({ object }: Fields): Pod | undefined => {
  if (object === undefined || object === null) return undefined;
  if (!isFields(object)) return bad('request.object', 'an object');
  if (!isFields(object.metadata)) return bad('request.object.metadata', 'an object');
  if (!isFields(object.spec)) return bad('request.object.spec', 'an object');
  return object as unknown as Pod;
};

const isPodCreation = (request: Fields): boolean => {
  const { resource = {} } = request;
  if (!isFields(resource)) return bad('request.resource', 'an object');
  return (
    textOf(request, 'operation', 'request') === 'CREATE' &&
    textOf(resource, 'resource', 'request.resource') === 'pods' &&
    textOf(resource, 'group', 'request.resource') === '' &&
    textOf(request, 'subResource', 'request') === ''
  );
};

/**
 * Reads an AdmissionReview. Throws BadReview with one sentence. Written by hand: it stands in the way of every pod
 * that is created while a plan runs.
 */
export const readReview = (body: unknown): Asked => {
  if (!isFields(body)) return bad('the body', 'an object');
  if (!VERSIONS.includes(body.apiVersion)) return bad('apiVersion', VERSIONS.join(' or '));
  if (body.kind !== 'AdmissionReview') return bad('kind', 'AdmissionReview');
  const { request } = body;
  if (!isFields(request)) return bad('request', 'an object');
  const uid = textOf(request, 'uid', 'request');
  if (uid === '') return bad('request.uid', 'there');
  const { dryRun = false } = request;
  if (typeof dryRun !== 'boolean') return bad('request.dryRun', 'true or false');
  const object = objectOf(request);
  return {
    apiVersion: body.apiVersion as string,
    uid,
    namespace: textOf(request, 'namespace', 'request'),
    isDryRun: dryRun,
    pod: isPodCreation(request) ? object : undefined,
  };
};

/** The answer, JSON: always allowed, with a JSON patch where there is something to change. */
export const answer = (asked: Asked, patch: readonly Operation[]): string =>
  JSON.stringify({
    apiVersion: asked.apiVersion,
    kind: 'AdmissionReview',
    response: {
      uid: asked.uid,
      allowed: true,
      ...(patch.length > 0
        ? { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }
        : {}),
    },
  });
