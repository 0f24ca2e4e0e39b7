import { fromStatus, type KubeError } from '../../errors.ts';

const of = (status: number, reason: string, message: string, retryAfter?: string): KubeError =>
  fromStatus({ server: 'memory', status, retryAfter }, { message, reason });

/** The API server's answers other than 2xx. */
export const notFound = (what: string, details: { name: string; kind: string }): KubeError =>
  fromStatus(
    { server: 'memory', status: 404 },
    { message: `${what} not found`, reason: 'NotFound', details },
  );
/** The answer for a kind that is not served. */
export const unserved = (): KubeError =>
  fromStatus({ server: 'memory', status: 404, auditId: 'memory' }, { message: '404 page not found' });
export const alreadyExists = (what: string): KubeError => of(409, 'AlreadyExists', `${what} already exists`);
export const conflict = (what: string, why: string): KubeError =>
  of(409, 'Conflict', `Operation cannot be fulfilled on ${what}: ${why}`);
export const invalid = (what: string, why: string): KubeError =>
  of(422, 'Invalid', `${what} is invalid: ${why}`);
/** The refusal of a patch whose body names another uid. */
export const immutableUid = (what: string): KubeError =>
  fromStatus(
    { server: 'memory', status: 422 },
    {
      message: `${what} is invalid: metadata.uid: field is immutable`,
      reason: 'Invalid',
      details: { causes: [{ field: 'metadata.uid' }] },
    },
  );
export const tooManyRequests = (what: string, why: string): KubeError =>
  of(429, 'TooManyRequests', `Cannot evict ${what}: ${why}`);
export const internal = (why: string): KubeError => of(500, 'InternalError', why);
