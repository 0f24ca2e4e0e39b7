import { z } from 'zod';
import { callSigned } from '../signed/call.ts';
import type { Credentials } from '../signed/sigv4.ts';

/** One SQS queue over its JSON protocol, without the SDK. */

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

/** The region in the name of a queue's server. */
export const regionOf = (url: string): string | undefined =>
  /^(?:sqs|queue)\.([a-z0-9-]+)\.(?:amazonaws|api\.aws)\b/.exec(new URL(url).hostname)?.[1];

export const createAwsQueue = (o: QueueOptions): AwsQueue => {
  const now = o.now ?? Date.now;
  const endpoint = new URL('/', o.url);
  const region = regionOf(o.url) ?? o.region;

  const call = <T>(
    action: string,
    request: object,
    schema: z.ZodType<T>,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<T> =>
    callSigned(
      {
        service: 'sqs',
        title: 'SQS',
        action,
        region,
        method: 'POST',
        url: endpoint,
        headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `AmazonSQS.${action}` },
        body: JSON.stringify({ QueueUrl: o.url, ...request }),
        credentials: o.credentials,
        now,
        timeoutMs: waitMs + (o.timeoutMs ?? TIMEOUT_MS),
        mostBytes: MAX_ANSWER_BYTES,
      },
      schema,
      signal,
    );

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
