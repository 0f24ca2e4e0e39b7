import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** One TypeScript file of the checkout. Paths are relative to the root, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Files of ours that it imports, for values or for types. */
  readonly imports: readonly string[];
  /** Packages that it imports. */
  readonly packages: readonly string[];
}

const ROOMS = 'api,kube,planner,cloud,extender,webhook,kentroller,cli,e2e,bench';
const IMPORT =
  /(?:^|\n)(?:import|export)\s(?:[^'";]*?\sfrom\s)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)|createRequire\([^)]*\)\('([^']+)'\)/g;

const specifiersOf = (text: string): readonly string[] =>
  [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

/** 'zod' of 'zod/v4', '@grpc/grpc-js' of '@grpc/grpc-js/build'. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** Reads every source file below the rooms of a checkout. */
export const readTree = (root: string): readonly SourceFile[] =>
  globSync(`{${ROOMS}}/**/*.ts`, { cwd: root, exclude: (path) => path.includes('node_modules') })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8');
      const specifiers = specifiersOf(text);
      return {
        path,
        text,
        imports: specifiers
          .filter((specifier) => specifier.startsWith('.'))
          .map((specifier) => normalize(join(dirname(path), specifier))),
        packages: specifiers
          .filter((specifier) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
          .map(packageOf),
      };
    });

/** True for code that only tests and benches run. */
export const isTestCode = (path: string): boolean =>
  path.endsWith('.test.ts') || path.includes('/testing/') || /^(e2e|bench)\//.test(path);

/** Circles of imports, each as the paths on it (Tarjan's strongly connected components). */
export const circlesOf = (files: readonly SourceFile[]): readonly (readonly string[])[] => {
  const imports = new Map(files.map((file) => [file.path, file.imports]));
  const order = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (path: string): number => {
    const number = order.size;
    order.set(path, number);
    stack.push(path);
    let low = number;
    for (const next of imports.get(path) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (stack.includes(next)) low = Math.min(low, order.get(next) ?? number);
    }
    if (low === number) {
      const circle = stack.splice(stack.indexOf(path));
      if (circle.length > 1) circles.push(circle);
    }
    return low;
  };
  for (const { path } of files) if (!order.has(path)) visit(path);
  return circles;
};
