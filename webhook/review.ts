import type { Pod } from '../api/objects.ts';
import { valueAt } from '../api/records/valueat.ts';
import type { JsonPatchOperation } from './jsonpatch.ts';

/** Supported versions of AdmissionReview; the response has the version of the request. */
const VERSIONS: readonly unknown[] = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'];

/** The parts of an AdmissionReview's request that the webhook reads. */
export interface AdmissionRequest {
  /** Version of the AdmissionReview. */
  readonly apiVersion: string;
  readonly uid: string;
  readonly namespace: string;
  readonly isDryRun: boolean;
  /** Undefined unless the request creates a pod. */
  readonly pod: Pod | undefined;
}

/** Thrown for a body that is not an AdmissionReview; answered with 400. */
export class InvalidReviewError extends Error {
  readonly statusCode = 400;
}

type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const reject = (field: string, wanted: string): never => {
  throw new InvalidReviewError(`The body is not a valid AdmissionReview: ${field} must be ${wanted}.`);
};

const readString = (parent: JsonObject, name: string, path: string): string => {
  const value = valueAt(parent, name) ?? '';
  return typeof value === 'string' ? value : reject(`${path}.${name}`, 'a string');
};

/** The object of a request, checked for metadata and spec; undefined for a request without one. */
const readObject = ({ object }: JsonObject): Pod | undefined => {
  if (object === undefined || object === null) return undefined;
  if (!isObject(object)) return reject('request.object', 'an object');
  if (!isObject(object.metadata)) return reject('request.object.metadata', 'an object');
  if (!isObject(object.spec)) return reject('request.object.spec', 'an object');
  return object as unknown as Pod;
};

const isPodCreation = (request: JsonObject): boolean => {
  const { resource = {} } = request;
  if (!isObject(resource)) return reject('request.resource', 'an object');
  return (
    readString(request, 'operation', 'request') === 'CREATE' &&
    readString(resource, 'resource', 'request.resource') === 'pods' &&
    readString(resource, 'group', 'request.resource') === '' &&
    readString(request, 'subResource', 'request') === ''
  );
};

/**
 * Parses an AdmissionReview; throws InvalidReviewError. Written by hand instead of by a zod schema, because every pod
 * that is created while a plan runs waits for it.
 */
export const parseReview = (body: unknown): AdmissionRequest => {
  if (!isObject(body)) return reject('the body', 'an object');
  if (!VERSIONS.includes(body.apiVersion)) return reject('apiVersion', VERSIONS.join(' or '));
  if (body.kind !== 'AdmissionReview') return reject('kind', 'AdmissionReview');
  const { request } = body;
  if (!isObject(request)) return reject('request', 'an object');
  const uid = readString(request, 'uid', 'request');
  if (uid === '') return reject('request.uid', 'set');
  const { dryRun = false } = request;
  if (typeof dryRun !== 'boolean') return reject('request.dryRun', 'true or false');
  const object = readObject(request);
  return {
    apiVersion: body.apiVersion as string,
    uid,
    namespace: readString(request, 'namespace', 'request'),
    isDryRun: dryRun,
    pod: isPodCreation(request) ? object : undefined,
  };
};

/** The AdmissionReview that answers a request, as JSON: always allowed, patched unless the patch is empty. */
export const formatResponse = (
  { apiVersion, uid }: AdmissionRequest,
  patch: readonly JsonPatchOperation[],
): string =>
  JSON.stringify({
    apiVersion,
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: true,
      ...(patch.length > 0 && {
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(patch)).toString('base64'),
      }),
    },
  });

/**
 * Answers one AdmissionReview with the patch that is decided; throws InvalidReviewError. A pod is always allowed: an error
 * after parsing costs the patch, never the pod.
 */
export const answerReview = async (
  body: unknown,
  o: {
    readonly decide: (request: AdmissionRequest) => Promise<readonly JsonPatchOperation[]>;
    readonly onError: (error: unknown, request: AdmissionRequest) => void;
  },
): Promise<string> => {
  const request = parseReview(body);
  try {
    return formatResponse(request, await o.decide(request));
  } catch (error) {
    o.onError(error, request);
    return formatResponse(request, []);
  }
};
