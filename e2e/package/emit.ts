import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { CommandError, run } from '../ground/host/command.ts';

/** JavaScript of a program and of all that it reaches, with the files that it reads from beside it. */
export interface Emitted {
  /** Contents by path, relative to the root of the sources. */
  readonly files: ReadonlyMap<string, Buffer>;
  /** Names of the packages that it imports. */
  readonly packages: readonly string[];
}

/** The oldest language that runs it, and what cli/entry/olderruntime.ts adds to that. */
const LIBRARY = 'es2023,es2024.promise,es2024.collection';

const OPTIONS = [
  '--ignoreConfig',
  ...['--target', 'es2023', '--lib', LIBRARY],
  ...['--module', 'nodenext', '--moduleResolution', 'nodenext', '--types', 'node'],
  ...['--strict', '--noUncheckedIndexedAccess', '--exactOptionalPropertyTypes'],
  ...['--erasableSyntaxOnly', '--verbatimModuleSyntax', '--rewriteRelativeImportExtensions'],
  ...['--skipLibCheck', '--noEmitOnError', '--removeComments'],
];

const IMPORT =
  /(?:^|\n)(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|createRequire\([^)]*\)\('([^']+)'\)/g;
const FILE_BESIDE = /new URL\('(\.[^']+)', import\.meta\.url\)/g;

/** What a module of ours names: modules and packages that it imports, and files that it reads. */
export interface References {
  readonly modules: readonly string[];
  readonly packages: readonly string[];
  readonly assets: readonly string[];
}

/** The references of the JavaScript in `path`. Throws where it would look for TypeScript, which a package has none of. */
export const referencesOf = (path: string, text: string): References => {
  const specifiers = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
  const beside = [...text.matchAll(FILE_BESIDE)].map((match) => match[1] ?? '');
  const source = [...specifiers, ...beside].find((each) => each.startsWith('.') && each.endsWith('.ts'));
  if (source !== undefined) {
    throw new Error(
      `${path} names ${source}, which is not there once it is JavaScript: import it, or take the ending from import.meta.url`,
    );
  }
  const at = (relative: string): string => normalize(join(dirname(path), relative));
  const foreign = specifiers.filter((each) => !each.startsWith('.') && !each.startsWith('node:'));
  return {
    modules: specifiers.filter((each) => each.startsWith('.')).map(at),
    packages: foreign.map((each) =>
      each
        .split('/')
        .slice(0, each.startsWith('@') ? 2 : 1)
        .join('/'),
    ),
    assets: beside.map(at),
  };
};

const compile = async (root: string, main: string, out: string): Promise<void> => {
  try {
    await run([join(root, 'node_modules/.bin/tsc'), ...OPTIONS, '--rootDir', '.', '--outDir', out, main], {
      cwd: root,
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const { stdout } = error;
    throw new Error(
      `${main} can't be compiled for ECMAScript 2023, which Node.js 20 runs: write it without what is newer, or add that to cli/entry/olderruntime.ts.\n${stdout}`,
      { cause: error },
    );
  }
};

/** Compiles a program, named by its TypeScript file. Throws where it needs more than the oldest Node.js gives. */
export const emit = async (root: string, main: string): Promise<Emitted> => {
  const out = mkdtempSync(join(tmpdir(), 'emit-'));
  try {
    await compile(root, main, out);
    const files = new Map<string, Buffer>();
    const packages = new Set<string>();
    const open = [main.replace(/\.ts$/, '.js')];
    for (let path = open.pop(); path !== undefined; path = open.pop()) {
      if (files.has(path)) continue;
      const text = readFileSync(join(out, path));
      files.set(path, text);
      const references = referencesOf(path, text.toString('utf8'));
      open.push(...references.modules);
      for (const name of references.packages) packages.add(name);
      for (const asset of references.assets) files.set(asset, readFileSync(join(root, asset)));
    }
    return {
      files: new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1))),
      packages: [...packages].sort(),
    };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
};
