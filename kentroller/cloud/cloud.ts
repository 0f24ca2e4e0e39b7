import type { Catalogue } from '../../planner/model/catalogue.ts';

/** The cloud provider, as kentroller needs it. */
export interface Cloud {
  /** Instance types with capacity, overhead and prices. Throws until the first read has succeeded. */
  catalogue(): Promise<Catalogue>;
  /** Names of the machines' present or future Nodes, by provider id; without the ids that the cloud does not know. */
  nodeNames(providerIDs: readonly string[]): Promise<ReadonlyMap<string, string>>;
}
