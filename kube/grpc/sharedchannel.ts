/** One channel for concurrent calls, opened when it is first asked for; whatever races with its opening, none is left open. */
export class SharedChannel<T extends { close(): void }> {
  readonly #open: () => Promise<T>;
  #channel: Promise<T> | undefined;
  #isClosed = false;

  constructor(open: () => Promise<T>) {
    this.#open = open;
  }

  /** The open channel, or one that is being opened. Throws when it can't be opened; the next call tries again. */
  async get(): Promise<T> {
    if (this.#isClosed) throw new Error('the channel was closed');
    if (this.#channel) return this.#channel;
    const channel = this.#open();
    this.#channel = channel;
    channel.catch(() => this.#forget(channel));
    return channel;
  }

  /** Closes a channel that failed, unless another has taken its place; the next call opens one. */
  async drop(failed: T): Promise<void> {
    const channel = this.#channel;
    if (!channel || (await channel.catch(() => undefined)) !== failed) return;
    this.#forget(channel);
    failed.close();
  }

  /** Closes the channel, as soon as it is open, for good. */
  close(): void {
    this.#isClosed = true;
    const channel = this.#channel;
    this.#channel = undefined;
    channel?.then(
      (opened) => opened.close(),
      () => {},
    );
  }

  #forget(channel: Promise<T>): void {
    if (this.#channel === channel) this.#channel = undefined;
  }
}
