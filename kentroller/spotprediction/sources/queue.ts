import { setTimeout as sleep } from 'node:timers/promises';
import type { Counter } from 'prom-client';
import { type InstanceNotice, parseMessage } from '../../../cloud/aws/sqs/interruptionmessage.ts';
import { type AwsQueue, MESSAGES_PER_CALL, type QueueMessage } from '../../../cloud/aws/sqs/queue.ts';
import type { Logger } from '../../../kube/component/log.ts';
import { messageOf } from '../../../kube/errors.ts';
import { SIGNAL_MEMORY_MS } from '../decide.ts';
import type { PredictionSource, SourceAnswer, SourceCondition } from '../source.ts';
import { type InstanceSignal, instanceIdOf, type Whereabouts } from './instances.ts';

/** Notices of EC2 from an SQS queue of our own, a second target of the rules that feed Karpenter's. */

const WAIT_SECONDS = 20;
/** Time for which a message that was received is hidden; it comes again when it was not deleted by then. */
const HIDDEN_SECONDS = 60;
/** Calls at the same time while each of them finds as many messages as it may. */
const MOST_CALLS = 8;
/** Age from which on a message about a machine that nobody knows is not about one that is just being made. */
const FOREIGN_AFTER_MS = 60_000;
const FIRST_WAIT_MS = 5_000;
const MAX_WAIT_MS = 60_000;

/** What became of a message: all but `waiting` are deleted. */
export type Fate = 'acted' | 'known' | 'foreign' | 'broken' | 'waiting';
export const FATES: readonly Fate[] = ['acted', 'known', 'foreign', 'broken', 'waiting'];

export interface QueueSourceOptions {
  readonly queue: AwsQueue;
  readonly whereIs: (instanceId: string) => Whereabouts;
  /** Writes the signal to its node; false when the node already has it. Resolves when it is stored. */
  readonly note: (signal: InstanceSignal) => Promise<boolean>;
  /** Called when a signal was noted. */
  readonly onSignal: () => void;
  /** By `fate`. */
  readonly messages: Counter;
  readonly log: Logger;
  readonly now: () => number;
  readonly hiddenSeconds?: number;
}

/** Decides what becomes of one message, and notes what it says. Throws when that can't be stored. */
const handle = async (
  o: QueueSourceOptions,
  { body }: QueueMessage,
): Promise<{ fate: Fate; signal?: InstanceSignal }> => {
  const parsed = parseMessage(body);
  if (parsed.kind === 'broken') return { fate: 'broken' };
  if (parsed.kind === 'of-others') return { fate: 'foreign' };
  const now = o.now();
  const ageMs = now - parsed.at;
  // Whatever it says, nobody would act on it any more.
  if (ageMs >= SIGNAL_MEMORY_MS) return { fate: 'known' };
  const where = o.whereIs(parsed.instanceId);
  switch (where.kind) {
    case 'unwatched':
      return { fate: 'foreign' };
    case 'coming':
      return { fate: 'waiting' };
    case 'unknown':
      return { fate: ageMs >= FOREIGN_AFTER_MS ? 'foreign' : 'waiting' };
    case 'node': {
      const kind: InstanceNotice = parsed.notice;
      const { instanceId } = parsed;
      const signal = { node: where.node, instanceId, kind, at: Math.min(parsed.at, now) };
      return { fate: (await o.note(signal)) ? 'acted' : 'known', signal };
    }
  }
};

/** Receives once, acts on what came, and deletes what is done. Returns how many messages came. */
export const receiveOnce = async (
  o: QueueSourceOptions,
  heard: Map<string, InstanceSignal>,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<number> => {
  const messages = await o.queue.receive(
    { waitSeconds, hiddenSeconds: o.hiddenSeconds ?? HIDDEN_SECONDS },
    signal,
  );
  const done: string[] = [];
  await Promise.all(
    messages.map(async (message) => {
      let fate: Fate = 'waiting';
      try {
        const result = await handle(o, message);
        ({ fate } = result);
        if (result.signal) heard.set(`${result.signal.instanceId}/${result.signal.kind}`, result.signal);
        if (fate === 'acted') o.onSignal();
      } catch (error) {
        if (signal.aborted) return;
        o.log.warn(
          { reason: messageOf(error) },
          'a message of the interruption queue waits: it could not be acted on',
        );
      }
      o.messages.inc({ fate });
      if (fate !== 'waiting') done.push(message.receiptHandle);
    }),
  );
  const deleted = await o.queue.delete(done, signal);
  if (deleted < done.length) {
    o.log.warn({ messages: done.length - deleted }, 'messages were not deleted and come again');
  }
  return messages.length;
};

/** Reads the queue while it is open; what it heard is also on the nodes, so that nothing is lost with this process. */
export const createQueueSource = (
  o: QueueSourceOptions,
): PredictionSource & { open(signal: AbortSignal): void } => {
  const heard = new Map<string, InstanceSignal>();
  let condition: SourceCondition = {
    status: 'Unknown',
    reason: 'Reading',
    message: 'The queue has not answered yet.',
  };
  for (const fate of FATES) o.messages.inc({ fate }, 0);

  const read = async (signal: AbortSignal): Promise<void> => {
    let calls = 1;
    let failures = 0;
    while (!signal.aborted) {
      try {
        // A call that waits would hold up those that find messages.
        const waitSeconds = calls === 1 ? WAIT_SECONDS : 0;
        const counts = await Promise.all(
          Array.from({ length: calls }, () => receiveOnce(o, heard, waitSeconds, signal)),
        );
        const isFull = counts.every((count) => count === MESSAGES_PER_CALL);
        calls = isFull ? Math.min(calls * 2, MOST_CALLS) : 1;
        failures = 0;
        condition = {
          status: 'True',
          reason: 'Receiving',
          message: 'Messages of the interruption queue are received.',
        };
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        calls = 1;
        const { cause } = error as Error;
        const reason = cause instanceof Error ? cause.message : messageOf(error);
        condition = {
          status: 'False',
          reason: 'Failed',
          message: `The interruption queue can not be read: ${reason}`,
        };
        const waitMs = Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10), MAX_WAIT_MS);
        o.log.warn({ reason, retryMs: waitMs }, 'the interruption queue can not be read');
        await sleep(waitMs, undefined, { signal }).catch(() => {});
      }
    }
  };

  return {
    name: 'interruption-queue',
    open: (signal) => void read(signal),
    poll: async ({ nodes, now }): Promise<SourceAnswer> => {
      // By machine: a node of this name may be a later one.
      const machines = new Set(nodes.map(({ node }) => instanceIdOf(node)));
      for (const [key, { instanceId, at }] of heard) {
        if (!machines.has(instanceId) || now - at >= SIGNAL_MEMORY_MS) heard.delete(key);
      }
      return { condition, signals: [...heard.values()], predictions: [] };
    },
  };
};
