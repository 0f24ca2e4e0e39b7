import { KubeError } from '../errors.ts';

/** The KubeError that the work ends in. Throws any other error, and one when the work succeeds. */
export const kubeErrorOf = async (work: Promise<unknown>): Promise<KubeError> => {
  try {
    await work;
  } catch (e) {
    if (e instanceof KubeError) return e;
    throw e;
  }
  throw new Error('a KubeError was expected, but the request succeeded');
};
