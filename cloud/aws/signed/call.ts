import type { z } from 'zod';
import { originOf, readBounded } from '../../../kube/foreignanswer.ts';
import { type Credentials, signedHeaders } from './sigv4.ts';

/** AWS answered with an error, whose code is its name for it or the HTTP status. */
export class RefusedCall extends Error {
  override readonly name = 'RefusedCall';
  readonly code: string;

  constructor(message: string, code = '') {
    super(message);
    this.code = code;
  }
}

/** One request of a JSON service, made without the SDK, which takes as much memory as all the rest. */
export interface SignedCall {
  /** The service as requests are signed for it, and as messages name it. */
  readonly service: string;
  readonly title: string;
  readonly action: string;
  readonly region: string;
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Left out in a GET. */
  readonly body?: string;
  readonly credentials: (signal: AbortSignal) => Promise<Credentials>;
  readonly now: () => number;
  readonly timeoutMs: number;
  readonly mostBytes: number;
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const textAt = (json: unknown, key: string): string => {
  const value: unknown = typeof json === 'object' && json !== null ? Reflect.get(json, key) : undefined;
  return typeof value === 'string' ? value : '';
};

/** Makes a call and reads its answer. Throws Errors with sentences; `RefusedCall` where AWS answered with an error. */
export const callSigned = async <T>(o: SignedCall, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> => {
  const { action, method, url, body = '' } = o;
  const headers = signedHeaders({ ...o, body, credentials: await o.credentials(signal) }, o.now());
  const response = await fetch(url, {
    method,
    headers,
    ...(method === 'POST' && { body }),
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(o.timeoutMs)]),
  });
  const { status } = response;
  if (status >= 300 && status < 400) {
    await response.body?.cancel();
    throw new RefusedCall(
      `${action}: HTTP ${status} to ${originOf(response.headers)}, which is not followed`,
    );
  }
  const text = await readBounded(response, o.mostBytes);
  const json = text === undefined ? undefined : parseJson(text);
  if (!response.ok) {
    const told = textAt(json, '__type').split('#').at(-1) || response.headers.get('x-amzn-errortype');
    const code = told?.split(':')[0] || `HTTP ${status}`;
    const message = textAt(json, 'message');
    throw new RefusedCall(`${action}: ${code}${message && `, ${message}`}`, code);
  }
  const { data } = schema.safeParse(json);
  if (data === undefined) throw new RefusedCall(`${action}: the answer is none of ${o.title}`);
  return data;
};
