import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Ground } from '../ground/ground.ts';

/** A kube-scheduler whose extender records which nodes passed its filters and then rejects them all. */
export interface Oracle {
  readonly schedulerName: string;
  /** Names of the nodes that passed for a pod; undefined when none did or it was not asked. */
  readonly passed: ReadonlyMap<string, readonly string[]>;
  forget(): void;
  close(): Promise<void>;
}

const SCHEDULER = 'differential';

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, '0.0.0.0', () => resolve((server.address() as AddressInfo).port));
  });

interface FilterArguments {
  readonly Pod: { readonly metadata: { readonly name: string } };
  readonly NodeNames?: readonly string[];
}

/** Starts a second scheduler in the ground, with an extender of ours that records what its filters let through. */
export const startOracle = async (ground: Ground, featureGates: string): Promise<Oracle> => {
  const passed = new Map<string, readonly string[]>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const asked = JSON.parse(Buffer.concat(chunks).toString('utf8')) as FilterArguments;
      passed.set(asked.Pod.metadata.name, asked.NodeNames ?? []);
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ NodeNames: [], FailedNodes: {} }));
    });
  });
  const port = await listen(server);
  const folder = join(ground.dir, 'differential');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'scheduler.json');
  const configuration = {
    apiVersion: 'kubescheduler.config.k8s.io/v1',
    kind: 'KubeSchedulerConfiguration',
    clientConnection: { kubeconfig: ground.kubeconfig, qps: 1000, burst: 2000 },
    leaderElection: { leaderElect: false },
    percentageOfNodesToScore: 100,
    profiles: [{ schedulerName: SCHEDULER }],
    extenders: [
      {
        urlPrefix: `http://${ground.hostAddress}:${port}`,
        filterVerb: 'filter',
        nodeCacheCapable: true,
        httpTimeout: '5s',
      },
    ],
  };
  writeFileSync(file, JSON.stringify(configuration));
  const program = await ground.program('controlplane');
  ground.addProcess({
    name: 'differential-scheduler',
    argv: [
      program,
      'scheduler',
      `--config=${file}`,
      '--secure-port=10990',
      `--feature-gates=${featureGates}`,
    ],
  });
  return {
    schedulerName: SCHEDULER,
    passed,
    forget: () => passed.clear(),
    close: async () => {
      await ground.stopProcess('differential-scheduler');
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
