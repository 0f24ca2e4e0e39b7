import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const GO = join(import.meta.dirname, '../go');

/** Files of kwok's and Karpenter's Go modules, read where Go keeps them. */
export interface KwokFiles {
  /** Names, sizes and us-west-2 prices, as Karpenter's kwok provider reads them. */
  readonly types: string;
  /** Folders of Karpenter's CRDs and of its kwok provider's. */
  readonly crds: readonly string[];
  /** kwok's stages of Nodes and pods, one file each. */
  readonly stages: { readonly nodeInitialize: string; readonly others: readonly string[] };
}

const folderOf = async (program: string, module: string): Promise<string> => {
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/local/go/bin`, GOTOOLCHAIN: 'local' };
  const { stdout } = await run('go', ['mod', 'download', '-json', module], {
    cwd: join(GO, program),
    env,
  }).catch((cause: unknown) => {
    throw new Error(`the Go module ${module} could not be had; is Go installed?`, { cause });
  });
  return (JSON.parse(stdout) as { readonly Dir: string }).Dir;
};

/** Finds the files in Go's module cache, so that no copy is kept here. */
export const locateKwokFiles = async (): Promise<KwokFiles> => {
  const karpenter = await folderOf('karpenter-kwok', 'sigs.k8s.io/karpenter');
  const stages = join(await folderOf('kwok', 'sigs.k8s.io/kwok'), 'kustomize/stage');
  return {
    types: join(karpenter, 'kwok/examples/aws_instance_types.json'),
    crds: [join(karpenter, 'pkg/apis/crds'), join(karpenter, 'kwok/apis/crds')],
    stages: {
      nodeInitialize: join(stages, 'node/fast/node-initialize.yaml'),
      others: [
        'node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
        'pod/fast/pod-ready.yaml',
        'pod/fast/pod-complete.yaml',
        'pod/fast/pod-delete.yaml',
      ].map((path) => join(stages, path)),
    },
  };
};
