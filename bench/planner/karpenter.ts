import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { NodePool, Pod } from '../../api/objects.ts';

/** The answer of Karpenter's scheduler. Prices in USD per hour. */
export interface PeerAnswer {
  readonly hourly: number;
  readonly nodes: number;
  /** Pods without a node. */
  readonly unplaced: number;
  readonly milliseconds: number;
  /** CPU time of all its threads. */
  readonly cpuMilliseconds: number;
  readonly error?: string;
}

export interface Peer {
  solve(pods: readonly Pod[], nodePool: NodePool): Promise<PeerAnswer>;
  close(): void;
}

const MODULE = join(import.meta.dirname, 'go');
const GO_ENV = { ...process.env, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };

/** The path of the file of instance types in Karpenter's Go module, which is downloaded if need be. */
export const kwokCatalogue = (): string => {
  const args = ['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/karpenter'];
  execFileSync('go', ['mod', 'download', 'sigs.k8s.io/karpenter'], { cwd: MODULE, env: GO_ENV });
  const folder = execFileSync('go', args, { cwd: MODULE, env: GO_ENV, encoding: 'utf8' }).trim();
  return join(folder, 'kwok', 'examples', 'aws_instance_types.json');
};

/** Builds Karpenter's scheduler as a program in `folder` and starts it with a file of instance types. */
export const startPeer = (folder: string, catalogueFile: string): Peer => {
  const program = join(folder, 'karpenter-solve');
  execFileSync('go', ['build', '-trimpath', '-o', program, '.'], {
    cwd: MODULE,
    env: GO_ENV,
    stdio: 'inherit',
  });
  const child = spawn(program, [catalogueFile], {
    env: { ...process.env, GOMAXPROCS: '2' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    solve: async (pods, nodePool) => {
      child.stdin.write(`${JSON.stringify({ pods, nodePool })}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error("Karpenter's scheduler has ended without an answer; see its output above");
      return JSON.parse(value) as PeerAnswer;
    },
    close: () => child.stdin.end(),
  };
};
