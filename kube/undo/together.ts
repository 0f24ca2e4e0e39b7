import type { Resource } from '../../api/resources.ts';
import type { KubeClient } from '../client/client.ts';
import type { Ref } from '../client/requestoptions.ts';

export interface Patch {
  readonly resource: Resource;
  readonly ref: Ref;
  readonly body: object;
}

/** Longest wait for all requests to be allowed; then the bodies are sent in any case. */
const BARRIER_MS = 5_000;

/**
 * Sends patches of which each may take away the right to send the others: no body is sent before the server has allowed
 * all requests. Throws the first error.
 */
export const patchTogether = async (
  client: KubeClient,
  patches: readonly Patch[],
  signal: AbortSignal,
): Promise<void> => {
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  let waiting = patches.length;
  const arrive = (): void => {
    waiting -= 1;
    if (waiting <= 0) open();
  };
  const timer = setTimeout(open, BARRIER_MS);
  try {
    const results = await Promise.allSettled(
      patches.map(async ({ resource, ref, body }) => {
        let hasArrived = false;
        const arriveOnce = (): void => {
          if (!hasArrived) arrive();
          hasArrived = true;
        };
        const hold = (): Promise<void> => {
          arriveOnce();
          return opened;
        };
        try {
          await client.patch(resource, ref, body, { hold, signal });
        } finally {
          // One that was refused keeps nobody waiting.
          arriveOnce();
        }
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  } finally {
    clearTimeout(timer);
  }
};
