import t from 'tap';
import { z } from 'zod';
import { fitting, shortened } from './fit.ts';
import { type RebalancePlanStatus, rebalancePlan } from './rebalanceplan.ts';

const statusSchema = rebalancePlan.shape.status.unwrap();
const fitStatus = fitting<RebalancePlanStatus>(statusSchema);

const attempt = (description: string) => ({
  instanceType: 'm5.large',
  nodeClaimName: 'green',
  status: 'Failed' as const,
  description,
});

t.test('an error of a megabyte does not make a status that the API server refuses', async (t) => {
  const long = 'x'.repeat(1_000_000);
  const status: RebalancePlanStatus = {
    failureMessage: long,
    warnings: Array.from({ length: 5_000 }, (_, n) => ({ description: `${n} ${long.slice(0, 5_000)}` })),
    conditions: [{ type: 'WritesAccepted', status: 'False', message: long }],
    nodesCreation: {
      green: { name: 'green', attempts: [attempt(long)] },
    },
  };
  t.notOk(statusSchema.safeParse(status).success);
  const fitted = fitStatus(status);
  t.ok(statusSchema.safeParse(fitted).success);
  t.equal(fitted.failureMessage?.length, 32_768);
  t.match(fitted.failureMessage, /^x+…$/);
  t.equal(fitted.warnings?.length, 1_000);
});

t.test('what has room stays as it is', async (t) => {
  const status: RebalancePlanStatus = {
    state: 'Running',
    observedGeneration: 3,
    nodesCreation: { constructor: { name: 'constructor', attempts: [attempt('no capacity')] } },
    warnings: [],
  };
  t.same(fitStatus(status), status);
});

t.test('a map ends, too, and keys that objects inherit are keys', async (t) => {
  const map = fitting(z.object({ map: z.record(z.string(), z.string().max(3)).meta({ maxProperties: 2 }) }));
  t.same(map({ map: { a: 'long', constructor: 'b', c: 'd' } }), { map: { a: 'lo…', constructor: 'b' } });
});

t.test('no character is cut in two', async (t) => {
  t.equal(shortened('ab😀', 4), 'ab😀');
  t.equal(shortened('ab😀d', 4), 'ab…');
});

t.test('attack: a text that grows as it is escaped still fits', async (t) => {
  const text = shortened(`\u001b${'a'.repeat(4_000)}`, 3_000);
  t.equal(text.length, 3_000);
  t.match(text, /^\\u001ba+…$/);
  t.equal(shortened(text, 3_000), text, 'what was written is what is compared');
});
