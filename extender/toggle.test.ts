import t from 'tap';
import { createLogger } from '../kube/component/log.ts';
import { runWhileEnabled } from './toggle.ts';

const log = createLogger({ component: 'whileenabled', level: 'silent' });

/** A switch, what was done with it, and the work that it turns on and off. */
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
    onDisabled: () => calls.push('rest'),
    signal: stopping.signal,
    log,
  });
  const turn = async (on: boolean): Promise<void> => {
    isOn = on;
    for (const handler of handlers) handler();
    // Everything here is done in promises alone.
    await new Promise(setImmediate);
  };
  return { calls, turn, handlers, stop: () => stopping.abort(), done };
};

t.test('works while it is on, rests while it is off, works again', async (t) => {
  const { calls, turn, handlers, stop, done } = scene(true);
  t.same(calls, ['work']);
  await turn(true);
  t.same(calls, ['work'], 'a change of something else is none');
  await turn(false);
  t.same(calls, ['work', 'end', 'rest']);
  await turn(false);
  t.same(calls.length, 3);
  await turn(true);
  t.same(calls, ['work', 'end', 'rest', 'work']);
  stop();
  await done;
  t.same(calls, ['work', 'end', 'rest', 'work', 'end']);
  t.equal(handlers.size, 0, 'nobody listens any more');
});

t.test('off from the start, it rests and never works', async (t) => {
  const { calls, stop, done } = scene(false);
  stop();
  await done;
  t.same(calls, ['rest']);
});

t.test('turned off and on before the work has ended, it works on', async (t) => {
  const { calls, turn, stop, done } = scene(true);
  await Promise.all([turn(false), turn(true)]);
  t.equal(calls.at(-1), 'work');
  stop();
  await done;
});

t.test('work that fails ends it', async (t) => {
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
