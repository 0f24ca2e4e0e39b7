import { z } from 'zod';
import { originOf, readBounded } from '../../../kube/foreignanswer.ts';
import { type Credentials, signedHeaders } from './sigv4.ts';

/** One SQS queue over its JSON protocol, without the SDK, which takes as much memory as all the rest. */

export interface QueueMessage {
  readonly id: string;
  readonly receiptHandle: string;
  readonly body: string;
}

/** Calls throw Errors with sentences; `RefusedCall` where AWS answered with an error. */
export interface AwsQueue {
  /** At most ten messages, hidden from others for `hiddenSeconds`; waits for the first of them. */
  receive(
    o: { readonly waitSeconds: number; readonly hiddenSeconds: number },
    signal: AbortSignal,
  ): Promise<readonly QueueMessage[]>;
  /** Deletes at most ten messages, and returns how many are deleted. */
  delete(receiptHandles: readonly string[], signal: AbortSignal): Promise<number>;
}

export class RefusedCall extends Error {
  override readonly name = 'RefusedCall';
}

export interface QueueOptions {
  readonly url: string;
  /** Where the URL does not name it. */
  readonly region: string;
  readonly credentials: (signal: AbortSignal) => Promise<Credentials>;
  readonly now?: () => number;
  readonly timeoutMs?: number;
}

export const MESSAGES_PER_CALL = 10;
/** Ten messages of the largest size, 256 KiB, with their escapes. */
const MAX_ANSWER_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 10_000;

const received = z.object({
  Messages: z
    .array(
      z.object({
        MessageId: z.string().default(''),
        ReceiptHandle: z.string(),
        Body: z.string().default(''),
      }),
    )
    .nullish(),
});
const deleted = z.object({ Successful: z.array(z.object({ Id: z.string() })).nullish() });
const failed = z.object({ __type: z.string().exactOptional(), message: z.string().exactOptional() });

/** The region in the name of a queue's server. */
export const regionOf = (url: string): string | undefined =>
  /^(?:sqs|queue)\.([a-z0-9-]+)\.(?:amazonaws|api\.aws)\b/.exec(new URL(url).hostname)?.[1];

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

export const createAwsQueue = (o: QueueOptions): AwsQueue => {
  const now = o.now ?? Date.now;
  const endpoint = new URL('/', o.url);
  const region = regionOf(o.url) ?? o.region;

  const call = async <T>(
    action: string,
    request: object,
    schema: z.ZodType<T>,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<T> => {
    const body = JSON.stringify({ QueueUrl: o.url, ...request });
    const headers = signedHeaders(
      {
        method: 'POST',
        url: endpoint,
        headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
        body,
        service: 'sqs',
        region,
        credentials: await o.credentials(signal),
      },
      now(),
    );
    const timeout = AbortSignal.timeout(waitMs + (o.timeoutMs ?? TIMEOUT_MS));
    const response = await fetch(endpoint, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.any([signal, timeout]),
    });
    const { status } = response;
    if (status >= 300 && status < 400) {
      await response.body?.cancel();
      throw new RefusedCall(
        `${action}: HTTP ${status} to ${originOf(response.headers)}, which is not followed`,
      );
    }
    const text = await readBounded(response, MAX_ANSWER_BYTES);
    const json = text === undefined ? undefined : parseJson(text);
    if (!response.ok) {
      const { __type: type = '', message = '' } = failed.safeParse(json).data ?? {};
      const code = type.split('#').at(-1) || `HTTP ${status}`;
      throw new RefusedCall(`${action}: ${code}${message && `, ${message}`}`);
    }
    const { data } = schema.safeParse(json);
    if (data === undefined) throw new RefusedCall(`${action}: the answer is none of SQS`);
    return data;
  };

  return {
    receive: async ({ waitSeconds, hiddenSeconds }, signal) => {
      const request = {
        MaxNumberOfMessages: MESSAGES_PER_CALL,
        WaitTimeSeconds: waitSeconds,
        VisibilityTimeout: hiddenSeconds,
      };
      const { Messages } = await call('ReceiveMessage', request, received, waitSeconds * 1000, signal);
      return (Messages ?? []).map((each) => ({
        id: each.MessageId,
        receiptHandle: each.ReceiptHandle,
        body: each.Body,
      }));
    },
    delete: async (receiptHandles, signal) => {
      if (receiptHandles.length === 0) return 0;
      const Entries = receiptHandles.map((ReceiptHandle, n) => ({ Id: String(n), ReceiptHandle }));
      const { Successful } = await call('DeleteMessageBatch', { Entries }, deleted, 0, signal);
      return Successful?.length ?? 0;
    },
  };
};
