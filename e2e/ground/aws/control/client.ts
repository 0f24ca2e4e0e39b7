import type { FaultSettings, RefusalFault } from '../faults.ts';
import type { GivenScore, PlacementScoreState } from '../state/placementscores.ts';
import type { ZonalShiftState, ZonalShiftStates } from '../state/zonalshifts.ts';
import type { FaultChange, InstanceView } from './types.ts';

/** What a suite can do to the cloud that no client of AWS can. Every call throws when the control port refuses it. */
export interface CloudControl {
  instances(): Promise<readonly InstanceView[]>;
  faults(): Promise<FaultSettings>;
  /**
   * Settings given replace the earlier ones, the others stay. Patterns may hold `*` and `?`; a missing pattern matches
   * all.
   */
  setFaults(change: {
    readonly capacity?: readonly Partial<FaultSettings['capacity'][number]>[];
    readonly throttle?: readonly { readonly action?: string; readonly times: number }[];
    readonly refuse?: readonly (Pick<RefusalFault, 'reason'> & Partial<RefusalFault>)[];
    readonly noJoin?: readonly Partial<FaultSettings['noJoin'][number]>[];
    readonly delays?: FaultChange['delays'];
  }): Promise<FaultSettings>;
  clearFaults(): Promise<FaultSettings>;
  /** Changes spot prices from now on. */
  setSeed(seed: number): Promise<void>;
  /** What ARC zonal shift tells of the cluster from now on. */
  setZonalShifts(shifts: {
    readonly isRegistered?: boolean;
    readonly shifts?: readonly (Omit<ZonalShiftState, 'isApplied'> & Partial<ZonalShiftState>)[];
    readonly autoshifts?: ZonalShiftStates['autoshifts'];
  }): Promise<ZonalShiftStates>;
  /** Which spot placement scores EC2 tells from now on; what is left out is as it was at first. */
  setPlacementScores(scores: {
    readonly isServed?: boolean;
    readonly mostConfigurations?: number;
    readonly given?: readonly (Omit<GivenScore, 'instanceType'> & Partial<GivenScore>)[];
  }): Promise<Omit<PlacementScoreState, 'used'> & { readonly used: number }>;
  /** Ends an instance as if its host had died. The interruption queue says so unless `announced` is false. */
  terminate(instanceId: string, options?: { readonly isAnnounced?: boolean }): Promise<InstanceView>;
  /** Warns through the interruption queue, then ends the instance after a delay: two minutes on AWS. */
  interrupt(instanceId: string, afterMs?: number): Promise<InstanceView>;
  /** Recommends through both queues to leave an instance, which stays. */
  recommend(instanceId: string): Promise<InstanceView>;
}

/** A client of the control port at a URL. */
export const createControlClient = (url: string): CloudControl => {
  const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${method} ${path} on the cloud's control port: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  };
  return {
    instances: () => call('GET', '/instances'),
    faults: () => call('GET', '/faults'),
    setFaults: (change) => call('PATCH', '/faults', change),
    clearFaults: () => call('DELETE', '/faults'),
    setSeed: async (seed) => {
      await call('PUT', '/seed', { seed });
    },
    setZonalShifts: (shifts) => call('PUT', '/zonal-shifts', shifts),
    setPlacementScores: (scores) => call('PUT', '/placement-scores', scores),
    terminate: (id, options = {}) => call('POST', `/instances/${id}/terminate`, options),
    interrupt: (id, afterMs) =>
      call('POST', `/instances/${id}/interrupt`, afterMs === undefined ? {} : { afterMs }),
    recommend: (id) => call('POST', `/instances/${id}/recommend`, {}),
  };
};
