import t from 'tap';
import { createLogger } from '../kube/component/log.ts';
import { runWhileEnabled } from './toggle.ts';

const log = createLogger({ component: 'toggle', level: 'silent' });

/** A toggle, the work that it turns on and off, and the calls made to that work. */
const scene = (startsOn: boolean) => {
  let isOn = startsOn;
  const handlers = new Set<() => void>();
  const calls: string[] = [];
  const stopping = new AbortController();
  const done = runWhileEnabled({
    isOn: () => isOn,
    onChange: (handler) => {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
    work: async (signal) => {
      calls.push('work');
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
      calls.push('end');
    },
    onDisabled: () => calls.push('disabled'),
    signal: stopping.signal,
    log,
  });
  const turn = async (on: boolean): Promise<void> => {
    isOn = on;
    for (const handler of handlers) handler();
    // Only promises are pending here, so one turn of the event loop is enough.
    await new Promise(setImmediate);
  };
  return { calls, turn, handlers, stop: () => stopping.abort(), done };
};

t.test('works while it is on, stops while it is off, works again', async (t) => {
  const { calls, turn, handlers, stop, done } = scene(true);
  t.same(calls, ['work']);
  await turn(true);
  t.same(calls, ['work'], 'a change of another feature is ignored');
  await turn(false);
  t.same(calls, ['work', 'end', 'disabled']);
  await turn(false);
  t.same(calls.length, 3);
  await turn(true);
  t.same(calls, ['work', 'end', 'disabled', 'work']);
  stop();
  await done;
  t.same(calls, ['work', 'end', 'disabled', 'work', 'end']);
  t.equal(handlers.size, 0, 'it has unsubscribed');
});

t.test('off from the start, it never works', async (t) => {
  const { calls, stop, done } = scene(false);
  stop();
  await done;
  t.same(calls, ['disabled']);
});

t.test('turned off and on before the work has ended, it works again', async (t) => {
  const { calls, turn, stop, done } = scene(true);
  await Promise.all([turn(false), turn(true)]);
  t.equal(calls.at(-1), 'work');
  stop();
  await done;
});

t.test('an error of the work ends it', async (t) => {
  const failing = runWhileEnabled({
    isOn: () => true,
    onChange: () => () => {},
    work: () => Promise.reject(new Error('broken')),
    onDisabled: () => {},
    signal: new AbortController().signal,
    log,
  });
  await t.rejects(failing, /broken/);
});
