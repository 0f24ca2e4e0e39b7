import { AwsError } from '../protocol/errors.ts';

export interface InstanceProfile {
  readonly name: string;
  readonly path: string;
  readonly createdAt: number;
  readonly roles: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
}

export interface InstanceProfiles {
  list(pathPrefix: string): readonly InstanceProfile[];
  /** Throws NoSuchEntity. */
  get(name: string): InstanceProfile;
  /** Throws EntityAlreadyExists. */
  create(name: string, path: string, tags: ReadonlyMap<string, string>): InstanceProfile;
  change(name: string, change: Partial<Pick<InstanceProfile, 'roles' | 'tags'>>): void;
  delete(name: string): void;
}

export const createInstanceProfiles = (now: () => number): InstanceProfiles => {
  const all = new Map<string, InstanceProfile>();
  const get = (name: string): InstanceProfile => {
    const found = all.get(name);
    if (found !== undefined) return found;
    throw new AwsError('NoSuchEntity', `Instance Profile ${name} cannot be found.`, 404);
  };
  return {
    get,
    list: (pathPrefix) => [...all.values()].filter((each) => each.path.startsWith(pathPrefix)),
    create: (name, path, tags) => {
      if (all.has(name))
        throw new AwsError('EntityAlreadyExists', `Instance Profile ${name} already exists.`, 409);
      const created = { name, path, tags, createdAt: now(), roles: [] };
      all.set(name, created);
      return created;
    },
    change: (name, change) => {
      all.set(name, { ...get(name), ...change });
    },
    delete: (name) => {
      if (get(name).roles.length > 0)
        throw new AwsError(
          'DeleteConflict',
          'Cannot delete entity, must remove roles from instance profile first.',
          409,
        );
      all.delete(name);
    },
  };
};
