import { hexOf } from '../random.ts';

export interface Message {
  readonly id: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly sentAt: number;
}

interface Held extends Message {
  readonly visibleAt: number;
}

/** A standard SQS queue: a received message comes back unless it is deleted in time. */
export interface Queue {
  send(body: string): Message;
  receive(max: number, visibilityMs: number): readonly Message[];
  delete(receiptHandle: string): void;
  /** Number of messages, received ones included. */
  readonly size: number;
  /** Resolves when a message is sent, or after a time. */
  waitForMessage(timeoutMs: number, signal: AbortSignal): Promise<void>;
}

export const createQueue = (now: () => number): Queue => {
  const held = new Map<string, Held>();
  let sent = 0;
  const waiting = new Set<() => void>();
  return {
    send: (body) => {
      sent += 1;
      const id = hexOf(32, 'message', sent, now());
      const receiptHandle = hexOf(64, 'receipt', id);
      const message: Held = { id, receiptHandle, body, sentAt: now(), visibleAt: now() };
      held.set(receiptHandle, message);
      for (const wake of waiting) wake();
      return message;
    },
    receive: (max, visibilityMs) => {
      const taken: Held[] = [];
      for (const each of held.values()) {
        if (taken.length === max) break;
        if (each.visibleAt <= now()) taken.push(each);
      }
      for (const each of taken) {
        // Those that were received go to the end, so that a burst is not looked through again and again.
        held.delete(each.receiptHandle);
        held.set(each.receiptHandle, { ...each, visibleAt: now() + visibilityMs });
      }
      return taken;
    },
    delete: (receiptHandle) => void held.delete(receiptHandle),
    get size() {
      return held.size;
    },
    waitForMessage: (timeoutMs, signal) =>
      new Promise((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, timeoutMs);
        waiting.add(wake);
        signal.addEventListener('abort', wake);
      }),
  };
};
