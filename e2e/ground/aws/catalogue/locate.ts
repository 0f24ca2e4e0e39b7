import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What the endpoint and a ground need of Karpenter's Go modules. */
export interface CatalogueFiles {
  /** Names, sizes and us-west-2 prices, in the file format of Karpenter's kwok provider. */
  readonly types: string;
  /** Network interfaces and addresses of each type, as a Go literal. */
  readonly networkLimits: string;
  /** Folders of CRDs that Karpenter's AWS controller works on. */
  readonly crds: readonly string[];
}

const CORE = 'sigs.k8s.io/karpenter';
const AWS = 'github.com/aws/karpenter-provider-aws';

/** The Go module of the ground that says which versions are used. */
const MODULE_FOLDER = join(import.meta.dirname, '../../go/karpenter-aws');

const parseModules = (stdout: string): Map<string, string> => {
  const objects = JSON.parse(`[${stdout.trim().replaceAll(/^\}\s*^\{/gm, '},{')}]`) as {
    Path: string;
    Dir: string;
  }[];
  return new Map(objects.map(({ Path, Dir }) => [Path, Dir]));
};

/**
 * Finds the catalogue in Go's module cache, so that no copy of it is kept here.
 * Throws when Go is missing or a module cannot be fetched.
 */
export const locateCatalogue = async (moduleFolder = MODULE_FOLDER): Promise<CatalogueFiles> => {
  // A machine with Go installed by its own installer often has it in no PATH but an interactive shell's.
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/local/go/bin` };
  const { stdout } = await run('go', ['mod', 'download', '-json', CORE, AWS], {
    cwd: moduleFolder,
    env,
  }).catch((cause: unknown) => {
    throw new Error(`the Go modules ${CORE} and ${AWS} could not be had; is Go installed?`, { cause });
  });
  const folders = parseModules(stdout);
  const folderOf = (module: string): string => {
    const folder = folders.get(module);
    if (folder === undefined) throw new Error(`the Go module ${module} is not in ${moduleFolder}`);
    return folder;
  };
  return {
    types: join(folderOf(CORE), 'kwok/examples/aws_instance_types.json'),
    networkLimits: join(folderOf(AWS), 'pkg/providers/instancetype/zz_generated.vpclimits.go'),
    crds: [join(folderOf(CORE), 'pkg/apis/crds'), join(folderOf(AWS), 'pkg/apis/crds')],
  };
};
