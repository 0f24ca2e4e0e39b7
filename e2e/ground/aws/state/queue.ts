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
  let held: readonly Held[] = [];
  let sent = 0;
  const waiting = new Set<() => void>();
  return {
    send: (body) => {
      sent += 1;
      const id = hexOf(32, 'message', sent, now());
      const message: Held = {
        id,
        receiptHandle: hexOf(64, 'receipt', id),
        body,
        sentAt: now(),
        visibleAt: now(),
      };
      held = [...held, message];
      for (const wake of waiting) wake();
      return message;
    },
    receive: (max, visibilityMs) => {
      const taken = held.filter((each) => each.visibleAt <= now()).slice(0, max);
      held = held.map((each) => (taken.includes(each) ? { ...each, visibleAt: now() + visibilityMs } : each));
      return taken;
    },
    delete: (receiptHandle) => {
      held = held.filter((each) => each.receiptHandle !== receiptHandle);
    },
    get size() {
      return held.length;
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
