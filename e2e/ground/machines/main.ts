import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { connect } from '../../../kube/client/client.ts';
import { createLogger } from '../../../kube/component/log.ts';
import { createControlClient } from '../aws/control/client.ts';
import { createMachines } from './machines.ts';
import { supervise } from './supervisor.ts';

const CONFIG = z.strictObject({
  controlUrl: z.string(),
  kubeconfig: z.string(),
  groundDir: z.string(),
  program: z.string(),
  server: z.string(),
  caCertificate: z.string(),
  caKey: z.string(),
  memoryOverhead: z.number().min(0).max(0.5),
});

/** Configuration of the supervisor's process: `node e2e/ground/machines/main.ts CONFIG.json`. */
export type SupervisorConfig = z.infer<typeof CONFIG>;

const main = async (path: string | undefined): Promise<void> => {
  if (path === undefined) throw new Error('usage: node e2e/ground/machines/main.ts CONFIG.json');
  const { controlUrl, kubeconfig, ...machines } = CONFIG.parse(JSON.parse(readFileSync(path, 'utf8')));
  const client = connect({ kubeconfig, userAgent: 'ground-machines' });
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  await supervise({
    control: createControlClient(controlUrl),
    machines: createMachines(machines),
    client,
    log: createLogger({ component: 'machines', level: 'info' }),
    pollMs: 200,
    nodesEveryMs: 5_000,
    signal: stop.signal,
  });
  client.close();
};

if (import.meta.main) await main(process.argv[2]);
