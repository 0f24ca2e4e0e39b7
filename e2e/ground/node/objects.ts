import { INSIDE } from '../host/addresses.ts';
import { placementObjects } from './placement.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** Rights of a program of the real node that lists and watches. */
const readerRights = (
  user: string,
  name: string,
  rules: readonly { readonly apiGroups: readonly string[]; readonly resources: readonly string[] }[],
): readonly object[] => [
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRole',
    metadata: { name },
    rules: rules.map((rule) => ({ ...rule, verbs: ['list', 'watch'] })),
  },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
    subjects: [{ apiGroup: RBAC, kind: 'User', name: user }],
  },
];

/** What the API server is given for the real node. The DNS server is no pod, so its Service needs an EndpointSlice. */
export const objectsOfNode = (): object => {
  const dns = { name: 'kube-dns', namespace: 'kube-system' };
  const ports = (['UDP', 'TCP'] as const).map((protocol) => ({
    name: protocol.toLowerCase(),
    protocol,
    port: 53,
  }));
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Service', metadata: dns, spec: { clusterIP: INSIDE.dnsService, ports } },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { ...dns, labels: { 'kubernetes.io/service-name': dns.name } },
        addressType: 'IPv4',
        ports,
        endpoints: [{ addresses: [INSIDE.dns], conditions: { ready: true } }],
      },
      ...readerRights('system:coredns', 'ground:dns', [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
      ]),
      ...readerRights('system:network-policies', 'ground:network-policies', [
        { apiGroups: [''], resources: ['pods', 'namespaces'] },
        { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'] },
      ]),
      ...placementObjects(),
    ],
  };
};
