import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { rebalancePlan } from '../api/kinds/rebalanceplan.ts';
import { paced } from '../kube/testing/pace.ts';
import { fragmentedCluster, listOf, makePod, makeSnapshot } from '../planner/testing/builders.ts';
import { MOST_SEARCHES } from './changes.ts';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, content: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};

const offering = (capacityType: string, Price: number) => ({
  Price,
  Requirements: [
    { key: 'karpenter.sh/capacity-type', operator: 'In', values: [capacityType] },
    {
      key: 'topology.kubernetes.io/zone',
      operator: 'In',
      values: ['us-west-2a', 'us-west-2b', 'us-west-2c'],
    },
  ],
});

const catalog = file(
  'catalog.json',
  [
    ['m5.xlarge', '4', '16Gi', 0.192],
    ['m5.4xlarge', '16', '64Gi', 0.768],
    ['c5.xlarge', '4', '8Gi', 0.17],
  ].map(([name, cpu, memory, price]) => ({
    name,
    architecture: 'amd64',
    operatingSystems: ['linux'],
    resources: { cpu, memory, pods: '58' },
    offerings: [offering('on-demand', Number(price)), offering('spot', Number(price) / 3)],
  })),
);
const snapshot = file('snapshot.json', listOf(fragmentedCluster(6, 6, 8)));

/** Where a run of tests keeps what Node has compiled; a start takes a third less with it. */
const { NODE_COMPILE_CACHE } = process.env;

const run = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    // A HOME without a kubeconfig, so that no test reads the developer's cluster.
    const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE, HOME: folder };
    execFile(process.execPath, ['cli/main.ts', ...args], { maxBuffer: 1 << 26, env }, (error, out, err) => {
      resolve({ code: error ? Number(error.code) : 0, out, err });
    });
  });

const QUICK = ['--time-budget', '300ms'];

t.test('plan rebalance prints one RebalancePlan that the schema accepts', async (t) => {
  const { code, out } = await run(
    'plan',
    'rebalance',
    '--snapshot',
    snapshot,
    '--catalog',
    catalog,
    '-o',
    'json',
    ...QUICK,
  );
  t.equal(code, 0);
  const plan = JSON.parse(out);
  t.match(plan, { apiVersion: 'autoscaling.cast.ai/v1alpha', kind: 'RebalancePlan' });
  t.ok(rebalancePlan.safeParse({ spec: plan.spec, status: plan.status }).success);
  t.ok(Number(plan.status.savings.projectedSavingsCostMonthly) > 0);
});

t.test('a pod that can not be placed exits with 3, and the plan for the others is printed', async (t) => {
  const pods = [makePod('huge', { cpu: 64_000 }), makePod('small')];
  const list = file('pending.json', listOf(makeSnapshot([], pods)));
  const { code, out, err } = await run(
    'plan',
    'provision',
    '--snapshot',
    list,
    '--catalog',
    catalog,
    ...QUICK,
  );
  t.equal(code, 3);
  t.equal(JSON.parse(out).spec.nodeClaimsToAdd.length, 1);
  t.match(err, /^Pod default\/huge can't be placed: no instance type that it may use has enough cpu\.$/m);
});

t.test('plan provision says when it could not know whose devices a pod waits for', async (t) => {
  const requests = { cpu: '500m', memory: '1Gi', 'example.com/gpu': '1' };
  const pod = makePod('train', { spec: { containers: [{ name: 'main', resources: { requests } }] } });
  const pending = listOf(makeSnapshot([], [pod])) as { readonly items: readonly object[] };
  const planned = (list: object) =>
    run('plan', 'provision', '--snapshot', file('gpu.json', list), '--catalog', catalog, ...QUICK);
  const unread = await planned(pending);
  t.match(
    unread.err,
    /^DeviceClasses were not read, so pod default\/train is planned as if nodes advertised example\.com\/gpu: /m,
  );
  const deviceClass = {
    kind: 'DeviceClass',
    metadata: { name: 'gpus' },
    spec: { extendedResourceName: 'example.com/gpu' },
  };
  const read = await planned({ ...pending, items: [...pending.items, deviceClass] });
  t.notMatch(read.err, /not read/);
  t.match(read.err, /^Pod default\/train can't be placed: it has example\.com\/gpu from a resource claim; /m);
});

t.test('invalid input exits with 1 and one sentence', { timeout: paced(180_000) }, async (t) => {
  const bad = file('bad.json', { items: [{ kind: 'Pod', metadata: { name: 'p' }, spec: {} }] });
  const text = file('text.json', 'not json');
  const none = file('none.json', []);
  const table: readonly (readonly [string[], RegExp])[] = [
    [
      ['plan', 'rebalance', '--snapshot', '/nowhere', '--catalog', catalog],
      /^The snapshot \/nowhere can't be read/,
    ],
    [['plan', 'rebalance', '--snapshot', text, '--catalog', catalog], /is not JSON/],
    [['plan', 'rebalance', '--snapshot', bad, '--catalog', catalog], /^Pod p has no spec\.containers\.$/m],
    [
      ['plan', 'rebalance', '--snapshot', snapshot, '--catalog', none],
      /^The catalogue holds no instance type\.$/m,
    ],
    [
      ['report', '--snapshot', snapshot, '--prices', 'guess'],
      /^--prices must be aws or table, not 'guess'\.$/m,
    ],
    [
      ['report', '--snapshot', snapshot, '--prices', 'table', '--catalog', catalog],
      /^Use either --catalog or --prices, not both\.$/m,
    ],
    [['report', '--catalog', catalog], /^No cluster to talk to: set KUBECONFIG or --kubeconfig/],
    [
      ['report', '--catalog', catalog, '--kubeconfig', '/nowhere'],
      /^Cannot read the kubeconfig \/nowhere: ENOENT.* name an existing file by --kubeconfig, or .*KUBECONFIG\.$/m,
    ],
    [['report', '--catalog', catalog, '--kubeconfig', text], /has no context ''/],
    [
      ['report', '--catalog', catalog, '--kubeconfig', text, '--snapshot', snapshot],
      /^Use either --snapshot or --kubeconfig, not both\.$/m,
    ],
    [['plan', 'nothing'], /^plan takes rebalance or provision, not 'nothing'\.$/m],
    [['dance'], /^Unknown command 'dance': see --help/],
    [
      ['plan', 'rebalance', '--snapshot', snapshot, '--catalog', catalog, '--scope', 'nobody'],
      /^--scope nobody matches no node of the cluster\.$/m,
    ],
    [
      ['plan', 'rebalance', '--snapshot', snapshot, '--catalog', catalog, '--seed', 'x'],
      /^--seed must be a whole number of at least 0, not 'x'\.$/m,
    ],
    [
      ['plan', 'rebalance', '--snapshot', snapshot, '--catalog', catalog, '--preferences', 'maybe'],
      /^--preferences must be Respect or Ignore, not 'maybe'\.$/m,
    ],
    [
      ['plan', 'rebalance', '--snapshot', snapshot, '--catalog', catalog, '--interruption-cost', '-1'],
      /^--interruption-cost must be a number of at least 0, not '-1'\.$/m,
    ],
    [
      ['plan', 'rebalance', '--snapshot', snapshot, '--catalog', catalog, '--interruption-rates', none],
      /^--interruption-rates has no effect without --interruption-cost or --max-interruption-percent\.$/m,
    ],
    [
      ['plan', 'rebalance', '--snapshot', snapshot, '--catalog', catalog, '--price-overlay', none],
      /^The price overlay is wrong at its top: /,
    ],
    [['uninstall'], /^No cluster to talk to: set KUBECONFIG or --kubeconfig/],
    [['uninstall', '--kubeconfig', text], /has no context ''/],
    [['uninstall', '--catalog', catalog], /^Unknown flag --catalog: see --help/],
    [['plan', 'rebalance', '--colour'], /^Unknown flag --colour: see --help/],
  ];
  for (const [args, message] of table) {
    const { code, out, err } = await run(...args);
    t.equal(code, 1, args.join(' '));
    t.match(err, message);
    t.equal(err.trim().split('\n').length, 1, 'one line');
    t.equal(out, '');
  }
});

t.test('plan rebalance names every node that is left out, and shows the bound', async (t) => {
  const args = ['--snapshot', snapshot, '--catalog', catalog, '--max-nodes', '4', ...QUICK];
  const { code, out, err } = await run('plan', 'rebalance', ...args);
  t.equal(code, 0);
  t.equal(err.match(/^Node node-\d is left out: no more than 4 nodes may be replaced/gm)?.length, 2);
  const { savings } = JSON.parse(out).status;
  t.ok(Number(savings.lowerBoundMonthlyCost) > 0);
  t.match(savings.gapPercent, /^\d+\.\d$/);
});

t.test('a discount on a number of instances changes the plan', async (t) => {
  const pods = Array.from({ length: 4 }, (_, n) => makePod(`p-${n}`, { cpu: 3500, memory: 14_000 }));
  const list = file('waiting.json', listOf(makeSnapshot([], pods)));
  const hourly = async (...args: string[]): Promise<string> => {
    const all = ['plan', 'provision', '--snapshot', list, '--catalog', catalog, ...QUICK, ...args];
    return (Number(JSON.parse((await run(...all)).out).status.savings.projectedMonthlyCost) / 730).toFixed(3);
  };
  const reserved = file('overlay.json', {
    discounts: [{ instanceType: 'm5.xlarge', percent: 50, instances: 2 }],
  });
  t.equal(await hourly(), (4 * 0.192).toFixed(3));
  t.equal(await hourly('--price-overlay', reserved), (3 * 0.192).toFixed(3));
});

const ERASE = '\r\u001b[K';
const onLinux = { skip: process.platform === 'linux' ? false : 'needs script of util-linux' };

t.test('a terminal sees what is done, and then the result', onLinux, async (t) => {
  const args = ['report', '--snapshot', snapshot, '--catalog', catalog, ...QUICK];
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE, HOME: folder, TERM: 'xterm' };
  const show = (...more: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const line = [process.execPath, 'cli/main.ts', ...args, ...more].map((each) => `'${each}'`).join(' ');
      execFile('script', ['-qec', line, '/dev/null'], { maxBuffer: 1 << 26, env }, (error, out) => {
        if (error) reject(error);
        else resolve(out);
      });
    });
  const out = await show();
  for (const step of ['Reading the snapshot', 'Finding instance types and prices', 'Searching for places'])
    t.ok(out.includes(`${ERASE}${step}`), step);
  t.ok(out.includes(`${ERASE}before `), `erased before the result: ${JSON.stringify(out.slice(0, 600))}`);
  t.notOk((await show('--quiet')).includes(ERASE));
  t.equal((await run(...args)).err, '', 'a pipe is told nothing of a short command');
});

t.test('report prints wasted costs, and writes a page without external files', async (t) => {
  const html = join(folder, 'report.html');
  const args = ['report', '--snapshot', snapshot, '--catalog', catalog, '--html', html, ...QUICK];
  const { code, out } = await run(...args);
  t.equal(code, 0);
  t.match(out, /^savings +[0-9.]+ USD a month, [0-9.]+ %$/m);
  t.match(out, /^node-0 +m5\.xlarge/m);
  const page = readFileSync(html, 'utf8');
  t.match(page, /<svg/);
  t.notMatch(page, /<script|https?:/);
  const json = await run(...args, '-o', 'json');
  t.match(JSON.parse(json.out), { nodes: 6, pods: 48 });
});

t.test('explain prints how a pod is pinned, and whether a node may be replaced', async (t) => {
  const pod = await run('explain', 'pod', 'default/app-0-0', '--snapshot', snapshot, '--catalog', catalog);
  t.match(pod.out, /^node-\d+: it runs here; its replacement would be pinned by assign, because it is safe/m);
  const node = await run('explain', 'node', 'node-1', '--snapshot', snapshot, '--catalog', catalog, ...QUICK);
  t.match(node.out, /^it may be replaced: 8 pods would move$/m);
});

t.test('the help says how many searches a report makes, each of the time budget', async (t) => {
  const { out } = await run('--help');
  t.match(out, new RegExp(`report: 3s, for its plan and up to ${MOST_SEARCHES - 1} to compare it with`));
});
