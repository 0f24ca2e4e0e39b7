/** What an honest caller knows and a stranger does not. */
export const PATH = '/mutate/known-to-the-api-server';
export const TOKEN = 'known-to-the-api-server';
export const CALLER = 'system:serviceaccount:castai-agent:castai-pod-pinner-webhook';
export const POLICIES_PATH = '/v1/kubernetes/clusters/default/policies';
