import { VM_MEMORY_OVERHEAD } from '../../cloud/aws/allocatable.ts';
import { COMMITMENT_CALLS } from '../../cloud/aws/commitments/read.ts';
import {
  hasCredentials,
  type LiveCatalogue,
  READ_CALLS,
  readCatalogue,
} from '../../cloud/aws/livecatalogue.ts';
import { RESERVATIONS_CALL } from '../../cloud/aws/reader.ts';
import { ZONAL_SHIFT_CALL } from '../../cloud/aws/zonalshift/managedresource.ts';

const CREDENTIALS_MS = 3_000;
const READ_MS = 120_000;

/** Prices of now, by the SDK's default credentials; undefined where there are none. `tell` is shown to the user. */
export const readLive = async (
  region: string,
  o: {
    readonly now: number;
    readonly machines: readonly string[];
    readonly endpoint?: string;
    readonly tell: (line: string) => void;
  },
): Promise<LiveCatalogue | undefined> => {
  if (!(await hasCredentials(region, CREDENTIALS_MS))) return undefined;
  o.tell(
    `Reading instance types and prices of ${region} from AWS (read only: ${[...READ_CALLS, RESERVATIONS_CALL, ZONAL_SHIFT_CALL, ...COMMITMENT_CALLS].join(', ')}).`,
  );
  const signal = AbortSignal.timeout(READ_MS);
  return readCatalogue({ ...o, region, vmMemoryOverhead: VM_MEMORY_OVERHEAD, signal });
};
