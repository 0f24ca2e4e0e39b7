import { OptionsError } from '../../kube/errors.ts';

/** Throws OptionsError where the options of the API that receives the audit trail do not fit together. */
export const checkApi = (o: {
  readonly apiUrl: string;
  readonly clusterId: string;
  readonly apiAllowPlainHttp: boolean;
}): void => {
  if (o.apiUrl && !o.clusterId) {
    throw new OptionsError(
      '--cluster-id (CLUSTER_ID) is required with --api-url (API_URL): the name of this cluster at that API',
    );
  }
  if (/^http:/i.test(o.apiUrl) && !o.apiAllowPlainHttp) {
    throw new OptionsError(
      '--api-url (API_URL) is plain http, which shows API_KEY and the audit trail to the network: set it to https, or API_ALLOW_PLAIN_HTTP to true',
    );
  }
};
