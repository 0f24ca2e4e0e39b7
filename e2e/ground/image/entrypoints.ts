/** The parts of a package.json that say where Node finds its modules. */
export interface EntryManifest {
  readonly main?: unknown;
  readonly exports?: unknown;
}

/** Conditions that Node sets, for import and for require. */
const CONDITIONS: ReadonlySet<string> = new Set(['node', 'import', 'require', 'module-sync', 'default']);

/** Targets that Node may choose, of which the first of the set conditions wins, as its resolver has it. */
const targetsIn = (value: unknown, kind: 'import' | 'require'): readonly string[] => {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap((each) => targetsIn(each, kind));
  if (typeof value !== 'object' || value === null) return [];
  const other = kind === 'import' ? 'require' : 'import';
  for (const [condition, target] of Object.entries(value)) {
    if (CONDITIONS.has(condition) && condition !== other) return targetsIn(target, kind);
  }
  return [];
};

const isSubpath = (key: string): boolean => key.startsWith('.');

/** The top folders of a package in which Node may enter it; '' is the package's own. */
export const entryFolders = ({ main, exports }: EntryManifest): ReadonlySet<string> => {
  const entries =
    typeof exports === 'object' && exports !== null && Object.keys(exports).some(isSubpath)
      ? Object.values(exports)
      : [exports];
  const targets = [
    ...(typeof main === 'string' ? [main] : []),
    ...entries.flatMap((entry) => [...targetsIn(entry, 'import'), ...targetsIn(entry, 'require')]),
  ];
  return new Set(
    targets.map((target) => {
      const parts = target.replace(/^\.\//, '').split('/');
      return parts.length > 1 ? (parts[0] ?? '') : '';
    }),
  );
};

/** Folders with the same modules for bundlers and browsers. */
const FOR_BUNDLERS = ['dist-es', 'browser'];

/** The top folders of a package that hold its modules once more, for others than Node. */
export const foldersForBundlers = (manifest: EntryManifest): ReadonlySet<string> => {
  const entered = entryFolders(manifest);
  return new Set(entered.size === 0 ? [] : FOR_BUNDLERS.filter((folder) => !entered.has(folder)));
};
