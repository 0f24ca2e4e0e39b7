import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { auditLogOf } from '../ground/controlplane/audit.ts';
import type { Ground } from '../ground/ground.ts';
import { grantedNotUsed, usedNotGranted } from '../rights/compare.ts';
import { EXCEPTIONS } from '../rights/exceptions.ts';
import { readGrants } from '../rights/grants.ts';
import { type Request, readRequests } from '../rights/requests.ts';
import type { Tally } from './tally.ts';

const MANIFESTS = join(import.meta.dirname, '..', '..', 'manifests');
/** The base, and what a suite installs beside it. */
const FOLDERS = ['base', 'components/soft-pins'];

/** What our ServiceAccounts asked a ground for; undefined on backends that write no audit log. */
export const requestsOn = async (ground: Ground): Promise<readonly Request[] | undefined> => {
  const auditLog = auditLogOf(ground);
  return existsSync(auditLog) ? readRequests(auditLog) : undefined;
};

/**
 * Compares what our ServiceAccounts asked for on all grounds with what the manifests grant, and prints where they
 * differ. Only after all suites does a right without use count.
 */
export const judgeRights = (requests: readonly Request[], isWhole: boolean): Tally => {
  const grants = FOLDERS.flatMap((folder) => readGrants(join(MANIFESTS, folder)));
  const differences = new Set([
    ...usedNotGranted(grants, requests),
    ...(isWhole ? grantedNotUsed(grants, requests, EXCEPTIONS) : []),
  ]);
  const hasFailed = differences.size > 0;
  const lines = [
    `# rights: ${grants.length} granted, ${requests.length} kinds of requests in the audit logs`,
    ...[...differences].map((line) => `#   ${line}`),
    `${hasFailed ? 'not ok' : 'ok'} - ${isWhole ? 'what is granted is used, and the reverse' : 'what is used is granted'}`,
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return { passed: hasFailed ? 0 : 1, failed: hasFailed ? 1 : 0, skipped: 0 };
};
