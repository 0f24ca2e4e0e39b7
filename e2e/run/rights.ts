import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { grantedNotUsed, usedNotGranted } from '../rights/compare.ts';
import { EXCEPTIONS } from '../rights/exceptions.ts';
import { readGrants } from '../rights/grants.ts';
import { readRequests } from '../rights/requests.ts';
import { NOTHING, type Tally } from './tally.ts';

const MANIFESTS = join(import.meta.dirname, '..', '..', 'manifests', 'base');

/**
 * Compares what our ServiceAccounts asked for, as the audit log has it, with what the manifests grant, and prints where
 * they differ. Only after all suites does a right without use count.
 */
export const judgeRights = async (auditLog: string, isWhole: boolean): Promise<Tally> => {
  // Other backends write no audit log.
  if (!existsSync(auditLog)) return NOTHING;
  const grants = readGrants(MANIFESTS);
  const requests = await readRequests(auditLog);
  const differences = [
    ...usedNotGranted(grants, requests),
    ...(isWhole ? grantedNotUsed(grants, requests, EXCEPTIONS) : []),
  ];
  const hasFailed = differences.length > 0;
  const lines = [
    `# rights: ${grants.length} granted, ${requests.length} kinds of requests in the audit log`,
    ...differences.map((line) => `#   ${line}`),
    `${hasFailed ? 'not ok' : 'ok'} - ${isWhole ? 'what is granted is used, and the reverse' : 'what is used is granted'}`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return { passed: hasFailed ? 0 : 1, failed: hasFailed ? 1 : 0, skipped: 0 };
};
