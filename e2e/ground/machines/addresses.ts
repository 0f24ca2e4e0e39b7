import { CommandError, run } from '../host/command.ts';

/** Gives a machine its private address, on the loopback interface of the ground's network namespace. */
export const addAddress = async (address: string): Promise<void> => {
  await run(['ip', 'address', 'replace', `${address}/32`, 'dev', 'lo']);
};

/** Removes the address again. A missing one is fine. */
export const removeAddress = async (address: string): Promise<void> => {
  await run(['ip', 'address', 'delete', `${address}/32`, 'dev', 'lo']).catch((error: unknown) => {
    if (!(error instanceof CommandError && error.stderr.includes('Cannot assign requested address')))
      throw error;
  });
};
