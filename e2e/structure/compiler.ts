import { join } from 'node:path';
import type { Node } from 'typescript/unstable/ast';
import { API, type Project } from 'typescript/unstable/sync';

/** Calls `visit` for a node of the syntax tree and for all that are in it. */
export const walk = (node: Node, visit: (node: Node) => void): void => {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
};

/** Opens the TypeScript project of a folder, to be closed by `api.close()`. Throws where there is none. */
export const openProject = (root: string): { readonly api: API; readonly project: Project } => {
  const api = new API({ cwd: root });
  const [project] = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.json')] }).getProjects();
  if (!project) throw new Error(`no TypeScript project in ${root}`);
  return { api, project };
};
