import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { cloudOf } from '../ground/aws/cloud.ts';
import { type Ground, up } from '../ground/ground.ts';
import { openStage, type Stage } from './stage.ts';

/** The first thing that a newcomer types, on a cluster of EKS' kind: `report` without a flag. */

const NAME = 'newcomer';
const home = mkdtempSync(join(tmpdir(), 'newcomer-'));
let ground: Ground;
let stage: Stage;

t.before(async () => {
  ground = await up({ name: 'newcomer', cloud: true });
  stage = await openStage(ground);
  await stage.set(NAME, 3);
});
t.teardown(async () => {
  stage?.close();
  await ground?.down();
  rmSync(home, { recursive: true, force: true });
});

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Where a run of tests keeps what Node has compiled; a start takes a third less with it. */
const { NODE_COMPILE_CACHE } = process.env;

/** Runs the command with a kubeconfig and, where given, the cloud's variables; there is no other setting. */
const report = (cloud: Readonly<Record<string, string>>, ...flags: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    const env = {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE,
      HOME: home,
      KUBECONFIG: ground.kubeconfig,
      ...cloud,
    };
    const options = { maxBuffer: 1 << 26, env };
    execFile(process.execPath, ['cli/main.ts', 'report', ...flags], options, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });

/** What the account of no cloud looks like: the SDK is not to ask a machine's metadata service. */
const NO_CREDENTIALS = { AWS_EC2_METADATA_DISABLED: 'true' };

const priceOf = (out: string): number =>
  Number(/before\s+([0-9.]+) USD a month/.exec(out)?.[1] ?? Number.NaN);

t.test('with credentials the prices are those of the account, and the calls are named', async (t) => {
  const { code, out, err } = await report({ ...cloudOf(ground).env });
  t.equal(code, 0, err);
  t.match(`${out}${err}`, /ec2:DescribeInstanceTypes/);
  t.ok(priceOf(out) > 0, out);
});

t.test('without credentials they are list prices, whose date is told', async (t) => {
  const { code, out, err } = await report(NO_CREDENTIALS);
  t.equal(code, 0, err);
  t.match(out, /list prices/i);
  t.match(out, /20\d\d-\d\d-\d\d/);
  t.ok(priceOf(out) > 0, out);
});

t.test('the plan and its bound are there as JSON too, and what could not be seen', async (t) => {
  const { code, out, err } = await report(NO_CREDENTIALS, '--output', 'json');
  t.equal(code, 0, err);
  const { monthlyBefore, monthlyAfter, lowerBoundMonthly, added, unseen } = JSON.parse(out) as {
    readonly [key in 'monthlyBefore' | 'monthlyAfter' | 'lowerBoundMonthly']: number;
  } & { readonly [key in 'added' | 'unseen']: readonly unknown[] };
  t.ok(monthlyBefore > monthlyAfter && monthlyAfter >= lowerBoundMonthly, out.slice(0, 300));
  t.equal(added.length, 1, 'one machine for the pods of three');
  t.match(unseen, [/no AWS credentials/]);
});
