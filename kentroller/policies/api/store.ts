import { AUTOSCALER_POLICY, type AutoscalerPolicy } from '../../../api/kinds/autoscalerpolicy.ts';
import { AUTOSCALER_POLICIES, apiVersionOf, pathOf } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { isConflict, isNotFound, KubeError } from '../../../kube/errors.ts';
import { getIfServed } from '../../../kube/ignore.ts';
import { Refused } from './callers.ts';

/** The AutoscalerPolicy as the policies API reads and writes it. */

const REF = { name: AUTOSCALER_POLICY };
/** Attempts against writes of the status, which change the version and not the settings. */
const MAX_ATTEMPTS = 5;

/** A tag of the settings: it changes with them, and not with the status. */
export const tagOf = (object: AutoscalerPolicy | undefined): string => {
  const { uid, generation } = object?.metadata ?? {};
  return object ? `"${uid}.${generation}"` : '"none"';
};

export const readPolicy = (client: KubeClient, signal: AbortSignal): Promise<AutoscalerPolicy | undefined> =>
  getIfServed(client.get(AUTOSCALER_POLICIES, REF, { signal }));

const isMet = (tag: string, ifMatch: string | undefined, exists: boolean): boolean => {
  if (ifMatch === undefined) return true;
  const tags = ifMatch.split(',').map((each) => each.trim());
  return tags.includes(tag) || (exists && tags.includes('*'));
};

/** Refuses what the API server refuses, with its sentence. */
const refusalOf = (error: unknown): unknown =>
  error instanceof KubeError && (error.status === 400 || error.status === 422)
    ? new Refused(error.status, error.message)
    : error;

/** Replaces all settings; the API server judges them, unknown fields included. Throws Refused. */
export const writePolicy = async (
  client: KubeClient,
  spec: object,
  ifMatch: string | undefined,
  signal: AbortSignal,
): Promise<AutoscalerPolicy> => {
  for (let attempt = 1; ; attempt += 1) {
    const found = await readPolicy(client, signal);
    if (!isMet(tagOf(found), ifMatch, found !== undefined))
      throw new Refused(412, 'the policies have changed since If-Match was read: read them again');
    const metadata = found?.metadata ?? REF;
    const type = { apiVersion: apiVersionOf(AUTOSCALER_POLICIES), kind: AUTOSCALER_POLICIES.kind };
    try {
      return await client.request<AutoscalerPolicy>(
        found ? 'PUT' : 'POST',
        pathOf(AUTOSCALER_POLICIES, found ? REF : {}),
        { query: { fieldValidation: 'Strict' }, body: { ...type, metadata, spec }, signal },
      );
    } catch (error) {
      const isOvertaken =
        isConflict(error) ||
        isNotFound(error) ||
        (error instanceof KubeError && error.kind === 'already-exists');
      if (!isOvertaken || attempt === MAX_ATTEMPTS) throw refusalOf(error);
    }
  }
};
