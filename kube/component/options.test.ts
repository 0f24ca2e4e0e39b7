import t from 'tap';
import { z } from 'zod';
import { OptionsError } from '../errors.ts';
import { peerCallersOf, peerServerOptions } from './componentoptions.ts';
import { bool, commaList, duration, HelpRequested, parse } from './options.ts';

const schema = z.object({
  batchIdleDuration: duration.default(1000).describe('quiet time before a batch is planned'),
  apiURL: z.string().optional(),
  healthPort: z.coerce.number().int().min(1).max(65_535).default(9091),
  dryRun: bool.default(false),
  logLevel: z.enum(['debug', 'info']).default('info'),
  zones: commaList.default([]),
});

const read = (argv: string[], env: Record<string, string> = {}) =>
  parse(schema, { argv, env, name: 'thing' });

t.test('an option comes from its flag, then from the environment, then from the default', async (t) => {
  t.equal(read([]).batchIdleDuration, 1000);
  t.equal(read([], { BATCH_IDLE_DURATION: '2s' }).batchIdleDuration, 2000);
  t.equal(read(['--batch-idle-duration=3s'], { BATCH_IDLE_DURATION: '2s' }).batchIdleDuration, 3000);
  t.equal(read(['--batch-idle-duration', '4s']).batchIdleDuration, 4000);
  t.equal(read([], { API_URL: 'http://a' }).apiURL, 'http://a');
  t.equal(read([], { HEALTH_PORT: '' }).healthPort, 9091, 'empty is not set');
});

t.test('switches and lists', async (t) => {
  t.equal(read(['--dry-run']).dryRun, true);
  t.equal(read(['--dry-run', '--health-port', '1']).dryRun, true);
  t.equal(read(['--dry-run=false'], { DRY_RUN: 'yes' }).dryRun, false);
  t.equal(read(['--dry-run', 'no']).dryRun, false);
  t.same(read(['--zones', 'a, b,']).zones, ['a', 'b']);
});

t.test('an error about a bad value names the option, the fault and the allowed values', async (t) => {
  const table: [string[], Record<string, string>, RegExp][] = [
    [['--batch-idle-duration', 'soon'], {}, /--batch-idle-duration \(BATCH_IDLE_DURATION\) is 'soon': .*10s/],
    [[], { DRY_RUN: 'maybe' }, /--dry-run \(DRY_RUN\) is 'maybe': true or false/],
    [[], { HEALTH_PORT: '0' }, /HEALTH_PORT.*'0'.*1/],
    [['--log-level', 'loud'], {}, /'loud'.*"debug"\|"info"/],
    [['--nope', '1'], {}, /does not know --nope.*--help/],
    [['--zones'], {}, /--zones needs a value/],
  ];
  for (const [argv, env, message] of table)
    t.throws(() => read(argv, env), { name: 'OptionsError', message });
  t.ok(new OptionsError('x') instanceof Error);
});

t.test('--help prints every option with its variable, default and meaning', async (t) => {
  try {
    read(['--help']);
    t.fail('nothing was raised');
  } catch (e) {
    t.ok(e instanceof HelpRequested);
    const text = e instanceof Error ? e.message : '';
    t.match(text, /--batch-idle-duration +BATCH_IDLE_DURATION +duration +1s +quiet time/);
    t.match(text, /--api-url +API_URL/);
    t.match(text, /--log-level +LOG_LEVEL +debug\|info +info/);
  }
});

t.test('attack: PEER_CALLERS="," lets nobody in unnoticed: it is refused at the start', (t) => {
  const schema = z.object(peerServerOptions());
  const read = (value: string | undefined) =>
    parse(schema, { argv: [], env: { PEER_CALLERS: value }, name: 'x' }).peerCallers;
  for (const value of [',', ' , ', ',,']) t.throws(() => read(value), /PEER_CALLERS.*names nobody/);
  const intended = (value: string | undefined) =>
    peerCallersOf({ peerCallers: read(value), podNamespace: 'ours' }, 'friend');
  t.same(intended(undefined), ['system:serviceaccount:ours:friend']);
  t.same(intended(''), ['system:serviceaccount:ours:friend']);
  t.same(intended('a, b'), ['a', 'b']);
  t.end();
});
