import { linkedController } from '../kube/abort.ts';
import type { Logger } from '../kube/component/log.ts';

/** Something that is turned on and off while it runs. */
export interface Switch {
  readonly isOn: () => boolean;
  /** Told after each change that may be one of this switch; returns what ends that. */
  readonly onChange: (handler: () => void) => () => void;
}

/** Resolves when the switch stands as asked, or the signal aborts. */
const stands = async (o: Switch, isOn: boolean, signal: AbortSignal): Promise<void> => {
  if (o.isOn() === isOn || signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = o.onChange(() => o.isOn() === isOn && resolve());
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise.finally(stop);
};

/**
 * Works while the switch is on, and rests while it is off, until the signal aborts. The work is told to end by its
 * signal; `rest` is called when it has ended, and at the start where the switch is off then.
 */
export const whileEnabled = async (
  o: Switch & {
    readonly work: (signal: AbortSignal) => Promise<void>;
    readonly rest: () => void;
    readonly signal: AbortSignal;
    readonly log: Logger;
  },
): Promise<void> => {
  const { signal, log } = o;
  while (!signal.aborted) {
    if (!o.isOn()) {
      log.info('pod pinning is off');
      o.rest();
      await stands(o, true, signal);
      if (!signal.aborted) log.info('pod pinning is on again');
      continue;
    }
    const work = linkedController(signal);
    const watch = linkedController(signal);
    const watching = stands(o, false, watch.controller.signal).then(() => work.controller.abort());
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
