import { createHash } from 'node:crypto';
import type { KubeClient } from '../../kube/client/client.ts';
import { until } from '../../kube/testing/until.ts';

/** Name of a write: verb, object and a digest of what is written. */
export type WriteName = string;

/** Moment of a crash: before the write reaches the API server, or after it and before its response arrives. */
export type Moment = 'before' | 'after';

export class Crashed extends Error {
  override readonly name = 'Crashed';
}

const WRITES = ['create', 'replace', 'apply', 'patch', 'delete', 'evict'] as const;
type Write = (typeof WRITES)[number];
const isWrite = (name: PropertyKey): name is Write => WRITES.some((w) => w === name);

interface Target {
  readonly kind?: string;
  readonly name?: string;
  readonly metadata?: { readonly name?: string };
}

/** Fields that differ from one life of the process to the next. */
const VOLATILE =
  /^(resourceVersion|uid|managedFields|generation|timestamp|message|description|.*Time(stamp)?)$/;
const TIMES = /\d{4}-\d{2}-\d{2}T[\d:.]+Z/g;
const withoutTimes = (key: string, value: unknown): unknown => {
  if (VOLATILE.test(key)) return undefined;
  return typeof value === 'string' ? value.replace(TIMES, '') : value;
};

const nameOfWrite = (write: Write, args: readonly unknown[]): WriteName => {
  const [first, second, third] = args as readonly (Target & { subresource?: string })[];
  if (write === 'evict') return `evict Pod ${first?.name}`;
  const options = (write === 'patch' ? args[3] : third) as { subresource?: string } | undefined;
  const sub = options?.subresource ? `/${options.subresource}` : '';
  const body = JSON.stringify(write === 'patch' ? args[2] : second, withoutTimes);
  const digest = createHash('sha256').update(body).digest('hex').slice(0, 6);
  return `${write} ${first?.kind}${sub} ${second?.name ?? second?.metadata?.name} ${digest}`;
};

/**
 * A client for tests of recovery: its process dies where `crashAt` is true, and from then on every call fails. Events
 * never crash it.
 */
export const crashingClient = (
  client: KubeClient,
  crashAt: (write: WriteName, moment: Moment) => boolean,
  onCrash: () => void,
): KubeClient => {
  let isDead = false;
  const die = (write: WriteName): never => {
    isDead = true;
    onCrash();
    throw new Crashed(write);
  };
  return new Proxy(client, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]): Promise<unknown> => {
        if (isDead) throw new Crashed(String(property));
        const call = (): Promise<unknown> => Reflect.apply(member, target, args);
        if (!isWrite(property) || (args[0] as Target).kind === 'Event') return call();
        const write = nameOfWrite(property, args);
        if (crashAt(write, 'before')) die(write);
        const answer = await call();
        if (isDead || crashAt(write, 'after')) die(write);
        return answer;
      };
    },
  });
};

/**
 * Lives of a process that dies before and after each write whose name has `fragment`, once each, until its work is done.
 * Returns how often it died.
 */
export const dieAtEachWrite = async (o: {
  readonly client: KubeClient;
  readonly fragment: string;
  readonly mostLives: number;
  readonly timeoutMs: number;
  readonly isDone: () => Promise<boolean>;
  /** Starts a life that ends when `dead` aborts; returns how to end it and wait for it. */
  readonly live: (api: KubeClient, dead: AbortController) => () => Promise<void>;
}): Promise<number> => {
  const crashed = new Set<string>();
  for (let lives = 0; lives < o.mostLives && !(await o.isDone()); lives++) {
    const dead = new AbortController();
    const mortal = crashingClient(
      o.client,
      (write, moment) => {
        const key = `${moment} ${write}`;
        if (!write.includes(o.fragment) || crashed.has(key)) return false;
        crashed.add(key);
        return true;
      },
      () => dead.abort(),
    );
    const stop = o.live(mortal, dead);
    const isOver = async (): Promise<boolean> => dead.signal.aborted || o.isDone();
    await until('it has died, or is done', isOver, { timeoutMs: o.timeoutMs, everyMs: 50 });
    await stop();
  }
  return crashed.size;
};
