import { randomBytes } from 'node:crypto';
import { derivedName } from '../../api/identity/names.ts';
import type { KubeEvent, KubeObject } from '../../api/objects.ts';
import { apiVersionOf, EVENTS, type Resource } from '../../api/resources.ts';
import { printable } from '../../api/text/printable.ts';
import { timeText } from '../../api/text/time.ts';
import type { KubeClient } from '../client/client.ts';
import type { Logger } from '../component/log.ts';
import { isNotFound, messageOf } from '../errors.ts';

export type EventType = 'Normal' | 'Warning';

/** Writes Kubernetes events. It never throws and never blocks; equal events within ten minutes raise one's count. */
export interface Recorder {
  event(resource: Resource, about: KubeObject, type: EventType, reason: string, message: string): void;
  /** Resolves when all recorded events are written or given up. */
  flush(): Promise<void>;
}

interface FullEvent extends KubeEvent {
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly source: { readonly component: string };
  readonly reportingComponent: string;
}

interface Known {
  readonly name: string;
  readonly namespace: string;
  readonly since: number;
  count: number;
}

const WINDOW_MS = 600_000;
// Events are optional: while the API server is away they are dropped rather than kept in memory.
const MAX_WAITING = 1000;
const MAX_KNOWN = 4096;
/** The API server refuses more. */
const MAX_MESSAGE = 1024;

const second = (): string => timeText(Date.now());

class QueuedRecorder implements Recorder {
  readonly #client: KubeClient;
  readonly #component: string;
  readonly #log: Logger;
  readonly #known = new Map<string, Known>();
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();

  constructor(client: KubeClient, component: string, log: Logger) {
    this.#client = client;
    this.#component = component;
    this.#log = log;
  }

  event(resource: Resource, about: KubeObject, type: EventType, reason: string, message: string): void {
    if (this.#waiting >= MAX_WAITING) return;
    this.#waiting++;
    const shown = printable(message.slice(0, MAX_MESSAGE)).slice(0, MAX_MESSAGE);
    this.#tail = this.#tail
      .then(() => this.#write(resource, about, type, reason, shown))
      .catch((e: unknown) => {
        const why = messageOf(e);
        this.#log.warn({ event: reason, reason: why }, 'event not recorded');
      })
      .finally(() => {
        this.#waiting--;
      });
  }

  async flush(): Promise<void> {
    await this.#tail;
  }

  async #write(
    resource: Resource,
    about: KubeObject,
    type: EventType,
    reason: string,
    message: string,
  ): Promise<void> {
    const key = [resource.kind, about.metadata.uid, about.metadata.name, type, reason, message].join('\n');
    const known = this.#known.get(key);
    if (known && performance.now() - known.since < WINDOW_MS && (await this.#repeat(known))) return;
    await this.#create(key, this.#newEvent(resource, about, type, reason, message));
  }

  /** Raises the count of an event; false when it no longer exists. */
  async #repeat(known: Known): Promise<boolean> {
    known.count++;
    try {
      const body = { count: known.count, lastTimestamp: second() };
      await this.#client.patch(EVENTS, { name: known.name, namespace: known.namespace }, body);
      return true;
    } catch (e) {
      if (isNotFound(e)) return false;
      throw e;
    }
  }

  async #create(key: string, event: FullEvent): Promise<void> {
    await this.#client.create<KubeEvent>(EVENTS, event);
    const { name, namespace = 'default' } = event.metadata;
    this.#known.delete(key);
    this.#known.set(key, { name, namespace, since: performance.now(), count: 1 });
    if (this.#known.size > MAX_KNOWN) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
  }

  #newEvent(
    resource: Resource,
    about: KubeObject,
    type: EventType,
    reason: string,
    message: string,
  ): FullEvent {
    const { name, uid, namespace } = about.metadata;
    const now = second();
    return {
      metadata: {
        name: derivedName(name, `.${randomBytes(8).toString('hex')}`),
        namespace: namespace ?? 'default',
      },
      involvedObject: {
        apiVersion: apiVersionOf(resource),
        kind: resource.kind,
        name,
        ...(namespace && { namespace }),
        ...(uid && { uid }),
      } as NonNullable<KubeEvent['involvedObject']>,
      type,
      reason,
      message,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: this.#component },
      reportingComponent: this.#component,
    };
  }
}

/** A recorder that writes in the background, one event after the other. */
export const createRecorder = (o: {
  readonly client: KubeClient;
  readonly component: string;
  readonly log: Logger;
}): Recorder => new QueuedRecorder(o.client, o.component, o.log);
