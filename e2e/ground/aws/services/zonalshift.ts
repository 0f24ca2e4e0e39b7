import { AwsError } from '../protocol/errors.ts';
import type { Region } from '../region.ts';

/** ARC zonal shift: what it tells of the one cluster, in its words. */
export const zonalShift = (method: string, path: string, region: Region): object => {
  const { cluster, zonalShifts } = region;
  const [, id = ''] = /^\/managedresources\/([^/]+)$/.exec(path) ?? [];
  if (method !== 'GET' || id === '')
    throw new AwsError('UnknownOperationException', `the endpoint does not know ${method} ${path}`, 404);
  const arn = `arn:aws:eks:${region.name}:${region.account}:cluster/${cluster.name}`;
  if (!zonalShifts.isRegistered || decodeURIComponent(id) !== arn)
    throw new AwsError('ResourceNotFoundException', `Could not find a managed resource for ${id}.`, 404);
  const { shifts, autoshifts } = zonalShifts;
  const applied = [...shifts, ...autoshifts].filter(({ isApplied }) => isApplied);
  const statusOf = (isApplied: boolean): string => (isApplied ? 'APPLIED' : 'NOT_APPLIED');
  return {
    arn,
    name: cluster.name,
    appliedWeights: Object.fromEntries(
      region.network.subnets.map(({ zoneId }) => [
        zoneId,
        applied.some((each) => each.zoneId === zoneId) ? 0 : 1,
      ]),
    ),
    zonalShifts: shifts.map(({ zoneId, expiresAt, isApplied }, index) => ({
      zonalShiftId: `00000000-0000-0000-0000-${String(index).padStart(12, '0')}`,
      resourceIdentifier: arn,
      awayFrom: zoneId,
      appliedStatus: statusOf(isApplied),
      comment: 'a test',
      startTime: region.now() / 1000,
      expiryTime: expiresAt / 1000,
    })),
    autoshifts: autoshifts.map(({ zoneId, isApplied }) => ({
      awayFrom: zoneId,
      appliedStatus: statusOf(isApplied),
      startTime: region.now() / 1000,
    })),
    zonalAutoshiftStatus: 'DISABLED',
  };
};
