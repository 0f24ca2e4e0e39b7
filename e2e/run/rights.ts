import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { auditLogOf } from '../ground/controlplane/audit.ts';
import type { Ground } from '../ground/ground.ts';
import { grantedNotUsed, usedNotGranted } from '../rights/compare.ts';
import { EXCEPTIONS } from '../rights/exceptions.ts';
import { type Grant, readGrants } from '../rights/grants.ts';
import { type Request, readRequests } from '../rights/requests.ts';
import type { Tally } from './tally.ts';

export const MANIFESTS = join(import.meta.dirname, '..', '..', 'manifests');
/** The base, and what a suite installs beside it. */
export const COMPARED = ['base', 'components/soft-pins'];
/** Folders with rights that no whole cluster has, and why. */
export const NOT_COMPARED: ReadonlyMap<string, string> = new Map([
  [
    'components/policies-api',
    'No suite installs it: its requests come from kentroller/policies/api/, with rights of its callers and of an administrator.',
  ],
  [
    'components/second-scheduler',
    "They are kube-scheduler's own roles, and a Lease; e2e/pinner/secondscheduler.test.ts runs with them alone, on a ground of its own.",
  ],
]);

/** What the compared manifests grant. */
export const comparedGrants = (): readonly Grant[] =>
  COMPARED.flatMap((folder) => readGrants(join(MANIFESTS, folder)));

/**
 * What our ServiceAccounts asked a ground for; undefined on backends that write no audit log. A log that is not there although
 * the ground writes one counts as an empty one, which fails.
 */
export const requestsOn = async (
  ground: Pick<Ground, 'dir' | 'backend'>,
): Promise<readonly Request[] | undefined> => {
  const auditLog = auditLogOf(ground);
  if (existsSync(auditLog)) return readRequests(auditLog);
  return ground.backend === 'modules' ? [] : undefined;
};

/**
 * Compares what our ServiceAccounts asked for on all grounds with what the manifests grant, and prints where they
 * differ. Only after all suites does a right without use count; no request at all is a fault at any time.
 */
export const judgeRights = (
  requests: readonly Request[],
  isWhole: boolean,
  print = (text: string): void => void process.stdout.write(text),
): Tally => {
  const grants = comparedGrants();
  const differences = new Set([
    ...(requests.length === 0 ? ['no request of our components is in the audit logs'] : []),
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
  print(`${lines.join('\n')}\n`);
  return { passed: hasFailed ? 0 : 1, failed: hasFailed ? 1 : 0, skipped: 0 };
};
