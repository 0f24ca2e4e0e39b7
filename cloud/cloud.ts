import type { Catalogue } from '../planner/model/catalogue.ts';
import type { Snapshot } from '../planner/model/snapshot.ts';
import type { AwsQueue } from './aws/sqs/queue.ts';
import type { ZonalShifts } from './aws/zonalshift/managedresource.ts';

/** When a part of the catalogue was read. */
export interface Reading {
  readonly what: string;
  /** Milliseconds since 1970. */
  readonly readAt: number;
  /** Whether it should have been read again since, so that it may be wrong now. */
  readonly isOverdue: boolean;
  /** Set for what comes from a table of list prices, whose day `readAt` is. */
  readonly isListed?: true;
}

/** A catalogue with what was never read from the cloud out of a table of list prices, and how old its parts are. */
export interface ListedCatalogue {
  readonly catalogue: Catalogue;
  readonly readings: readonly Reading[];
}

/** The cloud provider, as kentroller needs it. */
export interface Cloud {
  /** Instance types with capacity, overhead and prices. Throws until the first read has succeeded. */
  catalogue(): Promise<Catalogue>;
  /** The readings that the catalogue comes from; none for one that does not age, or before the first. */
  readings?(): readonly Reading[];
  /** The last resort while `catalogue` throws; undefined where there is no such table, or it lacks the region. */
  listed?(cluster: Pick<Snapshot, 'nodes' | 'nodePools'>): ListedCatalogue | undefined;
  /** Names of the machines' present or future Nodes, by provider id; without the ids that the cloud does not know. */
  nodeNames(providerIDs: readonly string[]): Promise<ReadonlyMap<string, string>>;
  /** The zones that are shifted away now; left out where nobody asks. */
  zonalShifts?(): ZonalShifts;
  /**
   * How likely the cloud has spot capacity now for a few machines of any of these types, 1 to 10, by zone; left out for a cloud
   * that does not tell. Throws the errors of its API.
   */
  placementScores?(types: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, number>>;
  /** A queue of the cloud by its URL; undefined for a cloud without queues. */
  queue?(url: string): AwsQueue;
}
