import { valueAt } from '../api/records/valueat.ts';

/**
 * Meaning of a failed request for the caller: wait for a change, retry, or give up. 'not-found' is said of one object by an
 * API server, 'unserved' of a kind or path; any other 404 says nothing.
 */
export type ErrorKind =
  | 'not-found'
  | 'unserved'
  | 'conflict'
  | 'already-exists'
  | 'retryable'
  | 'gone'
  | 'forbidden'
  | 'terminal';

/** The object that a request names. */
export interface Subject {
  readonly name: string;
  readonly plural: string;
  readonly namespace?: string;
}

export interface KubeErrorInit {
  readonly kind: ErrorKind;
  readonly status?: number;
  readonly reason?: string;
  /** Milliseconds that the server asked us to wait. */
  readonly retryAfterMs?: number;
  /** What the API server's audit log calls the request. */
  readonly auditId?: string;
  readonly cause?: unknown;
}

/** A failed request to the API server. The message is one sentence for a person, the same for each try; a log line has the rest. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly kind: ErrorKind;
  readonly status?: number;
  readonly reason?: string;
  readonly retryAfterMs?: number;
  readonly auditId?: string;

  constructor(message: string, init: KubeErrorInit) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.kind = init.kind;
    if (init.status !== undefined) this.status = init.status;
    if (init.reason !== undefined) this.reason = init.reason;
    if (init.retryAfterMs !== undefined) this.retryAfterMs = init.retryAfterMs;
    if (init.auditId !== undefined) this.auditId = init.auditId;
  }
}

/** An unusable option. The message says which, why and what is allowed. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

/** Raised before a write when another process may already hold the Lease that permits it. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

const isKind =
  (kind: ErrorKind) =>
  (e: unknown): e is KubeError =>
    e instanceof KubeError && e.kind === kind;

export const isNotFound = isKind('not-found');
export const isUnserved = isKind('unserved');
export const isConflict = isKind('conflict');
export const isAlreadyExists = isKind('already-exists');
export const isRetryable = isKind('retryable');
export const isGone = isKind('gone');
export const isForbidden = isKind('forbidden');
export const isTerminal = isKind('terminal');

/** True when we lack the right. Credentials that are not accepted, or can't be had, say nothing about rights. */
export const lacksRight = (e: unknown): boolean => isForbidden(e) && e.status === 403;

/** True for the error of an aborted signal. */
export const isAborted = (e: unknown): boolean => e instanceof Error && e.name === 'AbortError';

/** The message of any thrown value. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The error raised here for an aborted signal. */
export const aborted = (signal?: AbortSignal): Error =>
  new DOMException('the operation was stopped', { name: 'AbortError', cause: signal?.reason });

/** A uid in the body of a patch is a precondition, but the API server calls another one an invalid change. */
const isOfAnotherUid = ({ details }: Status): boolean =>
  details?.causes?.some(({ field }) => field === 'metadata.uid') ?? false;

/**
 * What a 404 says. A load balancer without a server behind it answers so too, and an API server of objects that the request
 * does not name: neither is word of the object's absence, so the request is tried again.
 */
const ofAbsence = ({ about, auditId }: Answered, { kind, reason, details = {} }: Status): ErrorKind => {
  if (reason === 'NotFound' && details.name) {
    const isOfIt = details.name === about?.name && (!details.kind || details.kind === about.plural);
    const isOfItsNamespace = details.name === about?.namespace && details.kind === 'namespaces';
    return !about || isOfIt || isOfItsNamespace ? 'not-found' : 'retryable';
  }
  const isOfApiServer = auditId !== undefined || (!about && kind === 'Status');
  return isOfApiServer && !details.name ? 'unserved' : 'retryable';
};

const ofStatus = (answered: Answered, body: Status): ErrorKind => {
  const { status } = answered;
  const { reason } = body;
  if (status === 404) return ofAbsence(answered, body);
  if (status === 409) return reason === 'AlreadyExists' ? 'already-exists' : 'conflict';
  if (status === 422 && isOfAnotherUid(body)) return 'conflict';
  if (status === 410) return 'gone';
  if (status === 401 || status === 403) return 'forbidden';
  if (status === 408 || status === 429 || status >= 500) return 'retryable';
  return 'terminal';
};

/** The part of a v1 Status that explains a failed request. */
export interface Status {
  /** 'Status'; left out where it was read from protobuf. */
  readonly kind?: string;
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: {
    /** The object that the answer is about, and the plural of its kind. */
    readonly name?: string;
    readonly kind?: string;
    readonly retryAfterSeconds?: number;
    /** The fields that made the request invalid. */
    readonly causes?: readonly { readonly field?: string }[];
  };
}

/** An answer other than 2xx, as its head tells it. */
interface Answered {
  readonly server: string;
  readonly status: number;
  readonly retryAfter?: string | undefined;
  /** The object that the request named; left out for collections and other paths. */
  readonly about?: Subject | undefined;
  /** The header that an API server writes onto each of its answers. Source: apiserver's endpoints/filters/audit_init.go. */
  readonly auditId?: string | undefined;
}

/** The error for an answer other than 2xx. */
export const fromStatus = (o: Answered, body: Status): KubeError => {
  const kind = ofStatus(o, body);
  const seconds = Number(o.retryAfter ?? body.details?.retryAfterSeconds);
  const text = body.message || `HTTP ${o.status}`;
  const message =
    o.status === 404 && kind === 'retryable' && o.auditId === undefined && body.reason === undefined
      ? `${o.server} answers 404, and not as an API server would: check the server of the kubeconfig, and what stands in front of it`
      : o.status === 401
        ? `the API server ${o.server} does not accept our credentials (401): check the user of the kubeconfig, or the ServiceAccount's token`
        : o.status === 403
          ? `${text} (403): grant it to this user with a Role or ClusterRole`
          : o.status >= 300 && o.status < 400
            ? `the API server ${o.server} answers with a redirect (${o.status}), which is not followed since it would take our credentials along: set the server of the kubeconfig to the address itself`
            : text;
  return new KubeError(message, {
    kind,
    status: o.status,
    ...(body.reason && { reason: body.reason }),
    ...(seconds > 0 && { retryAfterMs: seconds * 1000 }),
    ...(o.auditId !== undefined && { auditId: o.auditId }),
  });
};

/** For a log line whose reason is an error's message alone: what the audit log calls the request. */
export const auditIdOf = (error: unknown): { readonly auditId?: string } =>
  error instanceof KubeError && error.auditId !== undefined ? { auditId: error.auditId } : {};

const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused: is it running, and is the address right?',
  ENOTFOUND: 'its name is not known: check the server of the kubeconfig',
  EAI_AGAIN: 'its name could not be resolved: check DNS',
  EHOSTUNREACH: 'there is no route to it: check the network',
  ENETUNREACH: 'there is no route to it: check the network',
  ETIMEDOUT: 'it did not answer in time: check the address, the network and firewalls',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is not trusted: check certificate-authority of the kubeconfig',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted: check certificate-authority of the kubeconfig',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate is not trusted: check certificate-authority of the kubeconfig',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: check server and tls-server-name',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: should the server be http:// ?',
};

// Errors that occur before any byte of the request is sent.
const UNSENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

const codeOf = (e: unknown): string =>
  e instanceof Error && 'code' in e && typeof e.code === 'string' ? e.code : '';

/** True when the request cannot have reached the server. */
export const isUnsent = (e: unknown): boolean => e instanceof KubeError && UNSENT.has(e.reason ?? '');

/** The error for a failed connection. */
export const fromNetwork = (server: string, cause: unknown): KubeError => {
  const code = codeOf(cause);
  const why = valueAt(HINTS, code) ?? messageOf(cause);
  return new KubeError(`cannot talk to the API server ${server}: ${why}`, {
    kind: 'retryable',
    reason: code || 'Network',
    cause,
  });
};
