import t from 'tap';
import type { ClientMessage, Result } from '../../api/pinning.ts';
import { type Outlet, Results } from './results.ts';

/** A stream that records what is written; while it is full, it accepts one message and asks to wait. */
const createOutlet = () => {
  const sent: (Result | undefined)[] = [];
  const listeners: (() => void)[] = [];
  let isFull = false;
  const outlet: Outlet = {
    write: ({ result }: ClientMessage) => {
      sent.push(result);
      return !isFull;
    },
    once: (_event, listener) => listeners.push(listener),
  };
  return {
    outlet,
    sent,
    fill: () => {
      isFull = true;
    },
    drain: () => {
      isFull = false;
      for (const listener of listeners.splice(0)) listener();
    },
  };
};

const result = (intentId: string, bound = 0): Result => ({
  intentId,
  version: 1,
  state: 'PARTLY_BOUND',
  reason: '',
  bound,
});

t.test('results are kept until a stream is there, and sent again on the next one', async (t) => {
  const results = new Results();
  results.report(result('a'));
  const first = createOutlet();
  results.attach(first.outlet);
  t.same(first.sent, [result('a')]);
  results.detach(first.outlet);
  results.report(result('b'));
  t.equal(first.sent.length, 1);
  const second = createOutlet();
  results.attach(second.outlet);
  t.same(new Set(second.sent), new Set([result('a'), result('b')]));
});

t.test('fault: results of intents that a full state lacks are not kept for ever', async (t) => {
  const results = new Results();
  for (const id of ['a', 'b']) results.report(result(id));
  results.retain((id) => id === 'b');
  const { outlet, sent } = createOutlet();
  results.attach(outlet);
  t.same(sent, [result('b')]);
});

t.test('an unchanged result is not sent again', async (t) => {
  const results = new Results();
  const { outlet, sent } = createOutlet();
  results.attach(outlet);
  results.report(result('a', 1));
  results.report(result('a', 1));
  results.report(result('a', 2));
  t.same(sent, [result('a', 1), result('a', 2)]);
});

t.test('a slow peer costs one result per intent', async (t) => {
  const results = new Results();
  const { outlet, sent, fill, drain } = createOutlet();
  fill();
  results.attach(outlet);
  for (let bound = 0; bound < 1_000; bound++) {
    for (const id of ['a', 'b', 'c']) results.report(result(id, bound));
  }
  t.equal(sent.length, 1, 'nothing more until it drains');
  drain();
  t.same(sent.slice(1), [result('b', 999), result('c', 999), result('a', 999)]);
});

t.test('a late drain of the last stream sends nothing on a full one', async (t) => {
  const results = new Results();
  const [first, second] = [createOutlet(), createOutlet()];
  first.fill();
  second.fill();
  results.report(result('a'));
  results.report(result('b'));
  results.attach(first.outlet);
  results.detach(first.outlet);
  results.attach(second.outlet);
  first.drain();
  t.equal(second.sent.length, 1);
  second.drain();
  t.equal(second.sent.length, 2);
});

t.test('an acknowledged version keeps the last state, or says that none is known', async (t) => {
  const results = new Results();
  const { outlet, sent } = createOutlet();
  results.attach(outlet);
  results.report(result('a', 1));
  results.acknowledge('a', 2);
  results.acknowledge('b', 3);
  t.same(sent.slice(1), [
    { ...result('a', 1), version: 2 },
    { intentId: 'b', version: 3, state: 'UNKNOWN', reason: '', bound: 0 },
  ]);
});

t.test('a forgotten result is not sent on the next stream', async (t) => {
  const results = new Results();
  results.report(result('a'));
  results.report(result('b'));
  results.forget('a');
  const { outlet, sent } = createOutlet();
  results.attach(outlet);
  t.same(sent, [result('b')]);
  results.forgetAll();
  const next = createOutlet();
  results.attach(next.outlet);
  t.same(next.sent, []);
});
