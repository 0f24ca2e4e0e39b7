import t from 'tap';
import { createLogger } from '../../kube/component/log.ts';
import { until } from '../../kube/testing/until.ts';
import { createAwsCloud } from './awscloud.ts';
import type { AwsReader } from './reader.ts';

const reservation = {
  id: 'cr-1',
  instanceType: 'm5.xlarge',
  zone: 'us-west-2a',
  type: 'default',
  interruptible: false,
  left: 3,
};
const none = async (): Promise<never> => {
  throw new Error('not in this test');
};

t.test('reservations are read soon once it is known that somebody uses them', async (t) => {
  let isKnown = false;
  let asked = 0;
  const stopping = new AbortController();
  t.teardown(() => stopping.abort());
  const reader = {
    types: none,
    zones: none,
    zoneIds: none,
    onDemandPrices: none,
    spotPrices: none,
    reservations: async () => {
      asked += 1;
      return [reservation];
    },
    close: () => {},
  } as unknown as AwsReader;
  createAwsCloud({
    reader,
    region: 'us-west-2',
    pricesEveryMs: 3_600_000,
    spotEveryMs: 3_600_000,
    log: createLogger({ component: 'cloud-test', level: 'silent' }),
    signal: stopping.signal,
    usesReservations: () => (isKnown ? true : undefined),
  });
  t.equal(asked, 0);
  isKnown = true;
  // Far less than the minute between two readings.
  await until('a reading', async () => asked > 0, { timeoutMs: 20_000, everyMs: 20 });
});
