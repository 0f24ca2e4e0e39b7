import { setTimeout as sleep } from 'node:timers/promises';
import { PODS } from '../../api/resources.ts';
import { buildMachines, buildWorkload } from '../../e2e/demo/fragmented.ts';
import { type Ground, up } from '../../e2e/ground/ground.ts';
import { SILENT } from '../../e2e/ground/host/progress.ts';
import { installComponents } from '../../e2e/support/components.ts';
import { connect } from '../../kube/client/client.ts';
import { type Account, accountFrom, accountOf } from './processes.ts';

const NAMESPACE = 'castai-agent';
const SETTLE_MS = 60_000;
const WINDOW_MS = 60_000;
const SEPARATOR = '--\n';
const READ = `const { readFileSync: read } = require('fs'); process.stdout.write(read('/proc/1/status', 'utf8') + ${JSON.stringify(SEPARATOR)} + read('/proc/1/stat', 'utf8'))`;

/** Memory and CPU of a pod's first process, read from inside its container. */
const accountOfPod = async (ground: Ground, pod: string): Promise<Account> => {
  const text = await ground.kubectl(['exec', '-n', NAMESPACE, pod, '--', '/usr/bin/node', '-e', READ]);
  const [status = '', stat = ''] = text.split(SEPARATOR);
  return accountFrom(status, stat);
};

interface Subject {
  readonly name: string;
  readonly read: () => Promise<Account>;
}

const subjectsOf = async (ground: Ground): Promise<Subject[]> => {
  const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'bench-idle' });
  const { items } = await client.list(PODS, { namespace: NAMESPACE });
  client.close();
  const karpenter = ground.processes().find((p) => p.name === 'karpenter');
  if (!karpenter) throw new Error('the ground has no Karpenter');
  return [
    ...items.map(({ metadata: { name } }) => ({ name, read: () => accountOfPod(ground, name) })),
    { name: 'Karpenter', read: async () => accountOf(karpenter.pid) },
  ];
};

const measure = async (subjects: readonly Subject[]): Promise<string[][]> => {
  const before = new Map<string, Account>();
  for (const { name, read } of subjects) before.set(name, await read());
  const since = performance.now();
  await sleep(WINDOW_MS);
  const after = new Map<string, Account>();
  for (const { name, read } of subjects) after.set(name, await read());
  const seconds = (performance.now() - since) / 1000;
  const peer = after.get('Karpenter');
  return subjects.map(({ name }) => {
    const now = after.get(name);
    const cpu = (now?.cpuSeconds ?? Number.NaN) - (before.get(name)?.cpuSeconds ?? Number.NaN);
    const rss = now?.rssMB ?? Number.NaN;
    return [
      name,
      rss.toFixed(0),
      (now?.peakMB ?? Number.NaN).toFixed(0),
      ((100 * cpu) / seconds).toFixed(2),
      `${(rss / (peer?.rssMB ?? Number.NaN)).toFixed(2)}×`,
      name === 'Karpenter' ? '' : '≤ 120 MB, ≤ 1 %',
    ];
  });
};

/** Our components at rest on the demo's cluster, as real pods, beside Karpenter's process. */
export const idleRows = async (): Promise<string[][]> => {
  const ground = await up({ name: 'bench-idle', cloud: true, realNode: true });
  try {
    const client = connect({ kubeconfig: ground.kubeconfig, userAgent: 'bench-idle' });
    await installComponents(ground, SILENT);
    await buildMachines(client);
    await buildWorkload(client);
    client.close();
    await sleep(SETTLE_MS);
    const header = [
      'at rest on the demo’s cluster',
      'RSS, MB',
      'at most, MB',
      'CPU, %',
      'RSS to Karpenter',
      'reach',
    ];
    return [header, ...(await measure(await subjectsOf(ground)))];
  } finally {
    await ground.down();
  }
};
