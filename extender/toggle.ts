import { linkedController } from '../kube/abort.ts';
import type { Logger } from '../kube/component/log.ts';

/** A feature that is turned on and off while its component runs. */
export interface Toggle {
  readonly isOn: () => boolean;
  /** Subscribes to changes that may concern the feature; returns the function that unsubscribes. */
  readonly onChange: (handler: () => void) => () => void;
}

/** Resolves when the feature is on or off as asked, or when the signal aborts. */
const untilToggled = async (o: Toggle, isOn: boolean, signal: AbortSignal): Promise<void> => {
  if (o.isOn() === isOn || signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = o.onChange(() => o.isOn() === isOn && resolve());
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise.finally(stop);
};

/**
 * Runs the work while the feature is on, until the signal aborts; turning it off aborts the work's own signal.
 * `onDisabled` is called after the work has ended, and at the start where the feature is off.
 */
export const runWhileEnabled = async (
  o: Toggle & {
    readonly work: (signal: AbortSignal) => Promise<void>;
    readonly onDisabled: () => void;
    readonly signal: AbortSignal;
    readonly log: Logger;
  },
): Promise<void> => {
  const { signal, log } = o;
  while (!signal.aborted) {
    if (!o.isOn()) {
      log.info('pod pinning is off');
      o.onDisabled();
      await untilToggled(o, true, signal);
      if (!signal.aborted) log.info('pod pinning is on');
      continue;
    }
    const work = linkedController(signal);
    const watch = linkedController(signal);
    const watching = untilToggled(o, false, watch.controller.signal).then(() => work.controller.abort());
    try {
      await o.work(work.controller.signal);
    } finally {
      watch.controller.abort();
      await watching;
      work.unlink();
      watch.unlink();
    }
  }
};
