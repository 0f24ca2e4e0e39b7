import { readFile } from 'node:fs/promises';
import { catalogueFromKwok } from '../../planner/model/catalogue.ts';
import type { Cloud } from './cloud.ts';
import { kwokNodeNames } from './kwokproviderid.ts';

/**
 * A cloud that is a file of Karpenter's kwok provider. Throws when the file can't be read, CatalogueError when it
 * holds something else.
 */
export const readFileCloud = async (path: string): Promise<Cloud> => {
  const catalogue = catalogueFromKwok(JSON.parse(await readFile(path, 'utf8')));
  return {
    catalogue: async () => catalogue,
    nodeNames: async (providerIDs) => kwokNodeNames(providerIDs),
  };
};
