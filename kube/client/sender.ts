import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  fromNetwork,
  fromStatus,
  isAborted,
  isNotFound,
  isRetryable,
  isUnsent,
  KubeError,
  type Status,
  type Subject,
} from '../errors.ts';
import { isProtobuf, readStatus } from '../protobuf/envelope.ts';
import type { TokenBucket } from './ratelimit.ts';
import { readAll, type Transport } from './transport.ts';

/** One request, and whether repeating it is safe. */
export interface Call {
  readonly method: string;
  readonly path: string;
  /** The object that the path names. */
  readonly about?: Subject | undefined;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly body?: unknown;
  readonly contentType?: string | undefined;
  /** The Accept header; JSON when left out. */
  readonly accept?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly isRepeatable: boolean;
  /** Leaves our rate limit out, see RequestOptions. */
  readonly hasOwnPace?: boolean | undefined;
  /** Passes 429 to the caller at once: for evictions it means 'not now', not 'slower'. */
  readonly surfacesTooMany?: boolean;
  /** Delays the body, see PatchOptions. */
  readonly hold?: (() => Promise<void>) | undefined;
}

export interface Sender {
  send<T>(call: Call): Promise<T>;
  open(call: Call, inactivityMs: number): Promise<IncomingMessage>;
  guarded(guard: () => void): Sender;
}

const ATTEMPTS = 4;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 10_000;
// A Lease that is renewed late is lost, so its requests never queue behind others.
const LEASES = '/apis/coordination.k8s.io/';

const pathWithQuery = (call: Call): string => {
  const query = call.query ? new URLSearchParams(call.query).toString() : '';
  return query === '' ? call.path : `${call.path}?${query}`;
};

const parseStatus = (body: Buffer, contentType: string | undefined): Status => {
  const text = body.toString('utf8');
  try {
    return isProtobuf(contentType) ? readStatus(body) : (JSON.parse(text) as Status);
  } catch {
    return text === '' ? {} : { message: text.slice(0, 500).trim() };
  }
};

/** Sends calls within our rate limit, and retries those that may be repeated. */
export const createSender = (o: {
  readonly transport: Transport;
  readonly limiter?: TokenBucket | undefined;
  readonly userAgent: string;
  readonly inactivityMs: number;
  readonly guard?: () => void;
}): Sender => {
  const { transport, limiter } = o;

  const once = async (call: Call, inactivityMs: number): Promise<IncomingMessage> => {
    if (limiter && !call.hasOwnPace && !call.path.startsWith(LEASES)) await limiter.take(call.signal);
    const isWrite = call.method !== 'GET';
    const response = await transport.send({
      method: call.method,
      path: pathWithQuery(call),
      headers: {
        accept: call.accept ?? 'application/json',
        'user-agent': o.userAgent,
        ...(call.body !== undefined && { 'content-type': call.contentType ?? 'application/json' }),
      },
      ...(call.body !== undefined && { body: JSON.stringify(call.body) }),
      signal: call.signal,
      guard: isWrite ? o.guard : undefined,
      hold: call.hold,
      inactivityMs,
    });
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    const body = await readAll(transport.server, response);
    const { 'retry-after': retryAfter, 'audit-id': auditId } = response.headers;
    throw fromStatus(
      {
        server: transport.server,
        status,
        retryAfter,
        about: call.about,
        ...(typeof auditId === 'string' && { auditId }),
      },
      parseStatus(body, response.headers['content-type']),
    );
  };

  /** Milliseconds until the next attempt; undefined to give up. */
  const delayAfter = (e: unknown, call: Call, attempt: number): number | undefined => {
    if (attempt >= ATTEMPTS || !(e instanceof KubeError)) return undefined;
    if (e.status === 401) return attempt === 1 && transport.credentials.renew() ? 0 : undefined;
    if (!isRetryable(e)) return undefined;
    const isRefused = e.status === 429 || isUnsent(e);
    if (e.status === 429 && call.surfacesTooMany) return undefined;
    if (!isRefused && !call.isRepeatable) return undefined;
    const backoff = FIRST_DELAY_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
    return Math.min(MAX_DELAY_MS, Math.max(backoff, e.retryAfterMs ?? 0));
  };

  const withRetries = async <T>(call: Call, attemptOnce: () => Promise<T>): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await attemptOnce();
      } catch (e) {
        if (attempt > 1 && call.method === 'DELETE' && isNotFound(e)) return { status: 'Success' } as T;
        const delay = delayAfter(e, call, attempt);
        if (delay === undefined) throw e;
        await sleep(delay, undefined, call.signal ? { signal: call.signal } : {});
      }
    }
  };

  return {
    send: <T>(call: Call) =>
      withRetries(call, async () => {
        const response = await once(call, o.inactivityMs);
        const body = await readAll(transport.server, response);
        try {
          return JSON.parse(body.toString('utf8')) as T;
        } catch {
          // Without its cause: the error of the parser quotes the answer, which may be a Secret or a token.
          throw fromNetwork(transport.server, new Error('its answer was cut short'));
        }
      }),
    open: async (call, inactivityMs) => {
      try {
        return await once(call, inactivityMs);
      } catch (e) {
        if (!isAborted(e) && e instanceof KubeError && e.status === 401) transport.credentials.renew();
        throw e;
      }
    },
    guarded: (guard) =>
      createSender({
        ...o,
        guard: () => {
          o.guard?.();
          guard();
        },
      }),
  };
};
