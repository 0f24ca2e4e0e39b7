import { setTimeout as sleep } from 'node:timers/promises';
import { linkedController } from '../../kube/abort.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Audit } from '../audit/trail.ts';
import { type CycleMemory, type PredictionOptions, runCycle } from './cycle.ts';
import { SPOT_PREDICTION } from './history.ts';
import type { PredictionSettings } from './settings.ts';
import type { Handover } from './stored/handover.ts';

/** Time between looks at the settings and at what was heard, so that both count at once. */
const LOOK_MS = 1_000;

export interface RunOptions extends PredictionOptions {
  readonly settings: () => PredictionSettings;
  /** Starts what is read only while predictions are on, until the signal aborts. */
  readonly open: (signal: AbortSignal) => void;
  /** Whether something was heard since the last call. */
  readonly takeNews: () => boolean;
  readonly audit: Audit;
  readonly handover: Handover;
}

/** Runs cycles until the signal aborts: at each poll interval, and at once when settings change or something is heard. */
export const predictContinuously = async (o: RunOptions): Promise<void> => {
  const log = o.log.child({ logger: SPOT_PREDICTION });
  const object = { kind: 'Node', name: SPOT_PREDICTION };
  const memory: CycleMemory = { told: new Set() };
  let opened: ReturnType<typeof linkedController> | undefined;
  const close = (): void => {
    opened?.controller.abort();
    opened?.unlink();
    opened = undefined;
  };
  let dueAt = 0;
  let known = '';
  let said = '';
  while (!o.signal.aborted) {
    const settings = o.settings();
    if (settings.enabled && !opened) {
      opened = linkedController(o.signal);
      o.open(opened.controller.signal);
    }
    if (!settings.enabled) close();
    const key = JSON.stringify(settings);
    const hasNews = o.takeNews();
    if (key !== known || hasNews || o.clock.now() >= dueAt) {
      known = key;
      dueAt = o.clock.now() + settings.pollIntervalMs;
      try {
        if (settings.enabled) await o.handover.take(o.signal);
        const outcome = await runCycle({ ...o, log }, settings, memory);
        if (settings.enabled) await o.handover.save(o.signal);
        if (outcome !== said) {
          log.info({ outcome }, 'spot interruption prediction cycle');
          o.audit.note({ kind: 'decision', object, reason: 'SpotPredictionCycle', message: outcome });
        }
        said = outcome;
      } catch (error) {
        if (o.signal.aborted) break;
        said = messageOf(error);
        log.warn({ err: error }, 'spot interruption prediction cycle failed');
      }
    }
    await sleep(LOOK_MS, undefined, { signal: o.signal }).catch(() => {});
  }
  close();
};
