import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The API server's audit log: who wrote what to pods, nodes and NodeClaims, and every request of our components. */

/** The group of all ServiceAccounts of our namespace. */
const OURS = ['system:serviceaccounts:castai-agent'];

const POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  omitManagedFields: true,
  rules: [
    { level: 'Metadata', verbs: ['get', 'list', 'watch'], userGroups: OURS },
    { level: 'None', verbs: ['get', 'list', 'watch'] },
    // Kubelets report status all the time; nobody reads it here.
    { level: 'Request', resources: [{ group: '', resources: ['pods/binding', 'pods/eviction'] }] },
    {
      level: 'RequestResponse',
      resources: [
        { group: '', resources: ['pods', 'nodes'] },
        { group: 'karpenter.sh', resources: ['nodeclaims'] },
      ],
    },
    { level: 'Metadata', userGroups: OURS },
    { level: 'None' },
  ],
};

/** The file of a ground's audit log; a ground without a cloud has none. */
export const auditLogOf = ({ dir }: { readonly dir: string }): string => join(dir, 'logs', 'audit.log');

/** The file of a ground's audit policy. */
export const auditPolicyOf = ({ dir }: { readonly dir: string }): string => join(dir, 'audit-policy.json');

/** Writes the policy into the ground's folder; returns the API server's arguments. */
export const auditArgs = (dir: string): readonly string[] => {
  const policy = auditPolicyOf({ dir });
  writeFileSync(policy, JSON.stringify(POLICY));
  return [
    `--audit-policy-file=${policy}`,
    `--audit-log-path=${auditLogOf({ dir })}`,
    '--audit-log-maxsize=1000',
    '--audit-log-maxbackup=1',
  ];
};
