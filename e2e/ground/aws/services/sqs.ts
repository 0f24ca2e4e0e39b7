import { createHash } from 'node:crypto';
import { z } from 'zod';
import { AwsError } from '../protocol/errors.ts';
import type { Region } from '../region.ts';
import type { Queue } from '../state/queue.ts';

const RECEIVE = z.object({
  QueueUrl: z.string(),
  MaxNumberOfMessages: z.number().int().min(1).max(10).default(1),
  VisibilityTimeout: z.number().min(0).default(30),
  WaitTimeSeconds: z.number().min(0).max(20).default(0),
});

const DELETE = z.object({ QueueUrl: z.string(), ReceiptHandle: z.string() });
const DELETE_BATCH = z.object({
  QueueUrl: z.string(),
  Entries: z
    .array(z.object({ Id: z.string(), ReceiptHandle: z.string() }))
    .min(1)
    .max(10),
});
const SEND = z.object({ QueueUrl: z.string(), MessageBody: z.string() });
const GET_URL = z.object({ QueueName: z.string() });

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

/** The name of the interruption queue. */
export const queueNameOf = (clusterName: string): string => `${clusterName}-interruptions`;

/** The name of the queue of our own, as manifests/aws makes it. */
export const predictionQueueNameOf = (clusterName: string): string => `${clusterName}-spot-prediction`;

/** The queue of a URL or a name. Throws AwsError where there is none. */
const queueOf = (url: string, region: Region): Queue => {
  const name = url.split('/').at(-1);
  if (name === queueNameOf(region.cluster.name)) return region.queue;
  if (name === predictionQueueNameOf(region.cluster.name)) return region.predictionQueue;
  throw new AwsError('QueueDoesNotExist', 'The specified queue does not exist.');
};

const receive = async (body: unknown, region: Region, signal: AbortSignal): Promise<object> => {
  const request = RECEIVE.parse(body);
  const queue = queueOf(request.QueueUrl, region);
  const take = () => queue.receive(request.MaxNumberOfMessages, request.VisibilityTimeout * 1000);
  let messages = take();
  if (messages.length === 0 && request.WaitTimeSeconds > 0) {
    await queue.waitForMessage(request.WaitTimeSeconds * 1000, signal);
    // The caller has gone; a message taken now would be hidden from the next caller.
    if (!signal.aborted) messages = take();
  }
  return {
    Messages: messages.map((each) => ({
      MessageId: each.id,
      ReceiptHandle: each.receiptHandle,
      Body: each.body,
      MD5OfBody: md5(each.body),
      Attributes: { SentTimestamp: String(each.sentAt) },
    })),
  };
};

/** The Simple Queue Service with one queue. The signal aborts when the client goes away. */
export const sqs = async (
  action: string,
  body: unknown,
  region: Region,
  signal: AbortSignal,
  baseUrl: string,
): Promise<object> => {
  switch (action) {
    case 'GetQueueUrl': {
      const { QueueName } = GET_URL.parse(body);
      queueOf(QueueName, region);
      return { QueueUrl: `${baseUrl}/${region.account}/${QueueName}` };
    }
    case 'ReceiveMessage':
      return receive(body, region, signal);
    case 'DeleteMessage': {
      const { QueueUrl, ReceiptHandle } = DELETE.parse(body);
      queueOf(QueueUrl, region).delete(ReceiptHandle);
      return {};
    }
    case 'DeleteMessageBatch': {
      const { QueueUrl, Entries } = DELETE_BATCH.parse(body);
      const queue = queueOf(QueueUrl, region);
      for (const { ReceiptHandle } of Entries) queue.delete(ReceiptHandle);
      return { Successful: Entries.map(({ Id }) => ({ Id })), Failed: [] };
    }
    case 'SendMessage': {
      const { QueueUrl, MessageBody } = SEND.parse(body);
      const { id } = queueOf(QueueUrl, region).send(MessageBody);
      return { MessageId: id, MD5OfMessageBody: md5(MessageBody) };
    }
    default:
      throw new AwsError('UnknownOperationException', `the endpoint does not know ${action}`);
  }
};
