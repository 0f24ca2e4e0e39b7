import { createHash } from 'node:crypto';
import type { KubeClient } from '../../kube/client/client.ts';

/** A write, told from others by what it does to what. */
export type WriteName = string;

/** Where a process is to end: before the write reaches the API server, or after it and before anyone learns of it. */
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

/** Versions and times differ from one life to the next; what is written does not. */
const VOLATILE =
  /^(resourceVersion|uid|managedFields|generation|timestamp|message|description|.*Time(stamp)?)$/;
const MOMENTS = /\d{4}-\d{2}-\d{2}T[\d:.]+Z/g;
const withoutTimes = (key: string, value: unknown): unknown => {
  if (VOLATILE.test(key)) return undefined;
  return typeof value === 'string' ? value.replace(MOMENTS, '') : value;
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
 * A client whose process ends where `crashAt` says so: from then on every call fails, as it would for a process that
 * was killed. For tests of recovery.
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
