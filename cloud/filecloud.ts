import { readFile } from 'node:fs/promises';
import { catalogueFromKwok } from '../planner/model/catalogue.ts';
import type { Cloud } from './cloud.ts';
import { kwokNodeNames } from './kwokproviderid.ts';

/**
 * A cloud whose instance types come from a file of Karpenter's kwok provider. Throws when the file can't be read, and
 * CatalogueError when its content is not valid.
 */
export const readFileCloud = async (path: string): Promise<Cloud> => {
  const catalogue = catalogueFromKwok(JSON.parse(await readFile(path, 'utf8')));
  return {
    catalogue: async () => catalogue,
    nodeNames: async (providerIDs) => kwokNodeNames(providerIDs),
  };
};
