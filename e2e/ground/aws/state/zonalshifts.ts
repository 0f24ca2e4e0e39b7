export interface ZonalShiftState {
  readonly zoneId: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  readonly isApplied: boolean;
}

/** What ARC zonal shift knows of the cluster; a test fills it. */
export interface ZonalShiftStates {
  isRegistered: boolean;
  shifts: readonly ZonalShiftState[];
  autoshifts: readonly Pick<ZonalShiftState, 'zoneId' | 'isApplied'>[];
}
