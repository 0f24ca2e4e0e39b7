import { messageOf } from '../../kube/errors.ts';
import type { ReaderAnswer, ReaderCall } from './processreader.ts';
import { sdkReader } from './sdkreader.ts';

/** The program of processReader: reader.process.ts REGION OVERHEAD. Calls and answers go over the IPC channel. */
const [region = '', vmMemoryOverhead = ''] = process.argv.slice(2);
const reader = sdkReader({ region, vmMemoryOverhead: Number(vmMemoryOverhead) });
const { signal } = new AbortController();

const read = (call: ReaderCall): Promise<unknown> => {
  switch (call.what) {
    case 'spotPrices':
      return reader.spotPrices(call.now, signal);
    case 'placementScores':
      return reader.placementScores(call.types, signal);
    case 'nodeNames':
      return reader.nodeNames(call.providerIDs, signal);
    case 'clusterArn':
      return reader.clusterArn(call.providerIDs, signal);
    default:
      return reader[call.what](signal);
  }
};

const answer = (message: ReaderAnswer): void => void process.send?.(message);

process.on('message', ({ id, ...call }: ReaderCall & { readonly id: number }) => {
  read(call).then(
    (value) => answer({ id, value }),
    (error: unknown) =>
      answer({ id, error: messageOf(error), name: error instanceof Error ? error.name : 'Error' }),
  );
});
// Idle connections would keep the process alive.
process.on('disconnect', () => process.exit(0));
