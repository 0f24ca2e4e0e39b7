import { z } from 'zod';
import type { Pod } from '../api/objects.ts';

/** The versions of AdmissionReview that the API server may send; the answer has the same. */
const VERSIONS = ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1'] as const;

const review = z.object({
  apiVersion: z.enum(VERSIONS),
  kind: z.literal('AdmissionReview'),
  request: z.looseObject({
    uid: z.string().min(1),
    operation: z.string().optional(),
    namespace: z.string().optional(),
    name: z.string().optional(),
    dryRun: z.boolean().optional(),
    subResource: z.string().optional(),
    resource: z.looseObject({ group: z.string().optional(), resource: z.string().optional() }).optional(),
    object: z
      .looseObject({
        metadata: z.looseObject({}),
        spec: z.looseObject({}),
      })
      .nullish(),
  }),
});

/** A creation that is asked about. */
export interface Asked {
  readonly apiVersion: (typeof VERSIONS)[number];
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

/** Reads an AdmissionReview. Throws BadReview with one sentence. */
export const readReview = (body: unknown): Asked => {
  const result = review.safeParse(body);
  if (!result.success) {
    const [issue] = result.error.issues;
    const where = issue && issue.path.length > 0 ? issue.path.join('.') : 'the body';
    throw new BadReview(`${where} is not as in an AdmissionReview: ${issue?.message}`);
  }
  const { apiVersion, request } = result.data;
  const isPodCreation =
    request.operation === 'CREATE' &&
    request.resource?.resource === 'pods' &&
    !request.resource.group &&
    !request.subResource;
  return {
    apiVersion,
    uid: request.uid,
    namespace: request.namespace ?? '',
    isDryRun: request.dryRun === true,
    pod: isPodCreation && request.object ? (request.object as unknown as Pod) : undefined,
  };
};

/** The answer: always allowed, with a JSON patch where there is something to change. */
export const answer = (asked: Asked, patch: readonly Operation[]): object => ({
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
