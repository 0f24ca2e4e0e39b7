import t from 'tap';
import { createLogger, type Logger } from '../../kube/component/log.ts';
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

t.test('the right to reservations is named where it is missing, and not where AWS is slow', async (t) => {
  for (const [name, right] of [
    ['UnauthorizedOperation', 'ec2:DescribeCapacityReservations'],
    ['RequestLimitExceeded', undefined],
  ] as const) {
    const stopping = new AbortController();
    const said: { readonly right?: string }[] = [];
    const warn = (fields: object, text: string): void => {
      if (text.startsWith('capacity reservations')) said.push(fields);
    };
    const refuse = async (): Promise<never> => {
      throw Object.assign(new Error('refused'), { name });
    };
    createAwsCloud({
      reader: {
        types: none,
        zones: none,
        zoneIds: none,
        onDemandPrices: none,
        spotPrices: none,
        reservations: refuse,
        close: () => {},
      } as unknown as AwsReader,
      region: 'us-west-2',
      pricesEveryMs: 3_600_000,
      spotEveryMs: 3_600_000,
      log: { warn, info: () => {} } as unknown as Logger,
      signal: stopping.signal,
      usesReservations: () => true,
    });
    await until(`a warning of ${name}`, () => said.length > 0 || undefined, {
      timeoutMs: 120_000,
      everyMs: 10,
    });
    stopping.abort();
    t.equal(said[0]?.right, right, name);
  }
});
