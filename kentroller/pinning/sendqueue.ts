import type { ServerMessage } from '../../api/pinning.ts';
import type { IntentRegistry } from './intentregistry.ts';

/** The writing half of a stream; `write` returns false when the caller has to wait for 'drain'. */
export interface Sink {
  write(message: ServerMessage): boolean;
}

/**
 * The ids of the intents that one client has not received in their latest version. However often an intent changes,
 * a slow client costs one id, and gets the latest version.
 */
export class SendQueue {
  readonly #intentRegistry: IntentRegistry;
  readonly #sink: Sink;
  readonly #waiting = new Set<string>();
  #mustSync = true;
  #isBlocked = false;

  constructor(intentRegistry: IntentRegistry, sink: Sink) {
    this.#intentRegistry = intentRegistry;
    this.#sink = sink;
    for (const id of intentRegistry.ids()) this.#waiting.add(id);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  add(ids: readonly string[]): void {
    for (const id of ids) this.#waiting.add(id);
    this.flush();
  }

  resume(): void {
    this.#isBlocked = false;
    this.flush();
  }

  flush(): void {
    for (const id of this.#waiting) {
      if (this.#isBlocked) return;
      this.#waiting.delete(id);
      const versioned = this.#intentRegistry.get(id);
      this.#send(
        versioned
          ? { version: versioned.version, upsert: versioned.intent }
          : { version: this.#intentRegistry.version, removed: id },
      );
    }
    if (!this.#mustSync || this.#isBlocked) return;
    this.#mustSync = false;
    this.#send({ version: this.#intentRegistry.version, synced: {} });
  }

  #send(message: ServerMessage): void {
    if (!this.#sink.write(message)) this.#isBlocked = true;
  }
}
