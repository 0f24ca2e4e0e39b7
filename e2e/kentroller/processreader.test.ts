import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import t from 'tap';
import { processReader } from '../../cloud/aws/processreader.ts';
import { sdkReader } from '../../cloud/aws/sdkreader.ts';
import { until } from '../../kube/testing/until.ts';
import { readTypes, startTestRegion } from '../ground/aws/testing/testregion.ts';

const OPTIONS = { region: 'us-west-2', vmMemoryOverhead: 0.075 };
const test = await startTestRegion(await readTypes());
t.teardown(() => test.close());
const { signal } = new AbortController();
Object.assign(process.env, {
  AWS_ENDPOINT_URL: test.url,
  AWS_ACCESS_KEY_ID: 'ground',
  AWS_SECRET_ACCESS_KEY: 'ground',
});

const children = (): number =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
    .length;

const noChild = (): Promise<true> =>
  until('the process has ended', () => children() === 0, { timeoutMs: 10_000, everyMs: 10 });

t.test('what comes from the process is what the clients answer', async (t) => {
  const reader = processReader({ ...OPTIONS, idleMs: 50 });
  const direct = sdkReader({ ...OPTIONS, ec2: test.ec2, pricing: test.pricing });
  const { now } = test.clock;
  t.strictSame(await reader.types(signal), await direct.types(signal));
  t.strictSame(await reader.zones(signal), await direct.zones(signal));
  t.strictSame(await reader.zoneIds(signal), await direct.zoneIds(signal));
  t.strictSame(await reader.onDemandPrices(signal), await direct.onDemandPrices(signal));
  t.strictSame(await reader.spotPrices(now, signal), await direct.spotPrices(now, signal));
  t.strictSame(await reader.nodeNames(['kwok://a'], signal), new Map([['kwok://a', 'a']]));
  t.equal(await reader.clusterArn(['kwok://a'], signal), undefined);
  await noChild();
  t.equal((await reader.zoneIds(signal)).size, 3, 'a later call starts another one');
  reader.close();
  await noChild();
});

t.test('what goes wrong with the cloud is told, and hurts no later call', async (t) => {
  const reader = processReader(OPTIONS);
  t.teardown(() => reader.close());
  test.region.faults.set({ throttle: [{ action: 'DescribeAvailabilityZones', times: 50 }] });
  await t.rejects(reader.zoneIds(signal), /limit exceeded|throttl/i);
  test.region.faults.set({ throttle: [] });
  t.equal((await reader.zoneIds(signal)).size, 3);
});

t.test('a process that is killed fails its calls, and the next call starts another', async (t) => {
  await noChild();
  const reader = processReader(OPTIONS);
  t.teardown(() => reader.close());
  const reading = reader.types(signal);
  const [pid] = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').split(' ');
  process.kill(Number(pid), 'SIGKILL');
  await t.rejects(reading, /exited with SIGKILL/);
  t.equal((await reader.zoneIds(signal)).size, 3);
});

t.test('a call that is given up ends at once', async (t) => {
  const reader = processReader(OPTIONS);
  t.teardown(() => reader.close());
  const giving = new AbortController();
  const reading = reader.types(giving.signal);
  giving.abort(new Error('given up'));
  await t.rejects(reading, /given up/);
});

t.test('nothing that kentroller imports brings in the clients', async (t) => {
  const open = ['kentroller/main.ts'];
  const seen = new Set<string>();
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const text = readFileSync(path, 'utf8');
    for (const [, from = ''] of text.matchAll(/^import\s(?!type\b)[^;]*?from '([^']+)'/gm)) {
      t.notMatch(from, /^@aws-sdk/, path);
      if (from.startsWith('.')) open.push(normalize(join(dirname(path), from)));
    }
  }
  t.ok(seen.has('cloud/aws/processreader.ts'));
});
