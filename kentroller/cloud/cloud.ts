import type { Catalogue } from '../../planner/model/catalogue.ts';

/** What kentroller asks of the cloud. */
export interface Cloud {
  /** Instance types with capacity, overhead and prices. Throws while none could be had since the start. */
  catalogue(): Promise<Catalogue>;
  /** Names that the machines' Nodes have or will have, by provider id; ids that the cloud does not know are left out. */
  nodeNames(providerIDs: readonly string[]): Promise<ReadonlyMap<string, string>>;
}
