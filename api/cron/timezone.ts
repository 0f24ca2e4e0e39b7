const SECOND = 1_000;
const DAY = 86_400_000;

/** A time zone: from instants, in milliseconds since 1970, to the wall clock and back. */
export interface Zone {
  /** IANA name. */
  readonly name: string;
  /** The wall clock at an instant, in the UTC fields of a Date. */
  local(at: number): Date;
  /**
   * The instant of a wall clock, given as if it were UTC. Of a time that comes twice and of one that is skipped it takes
   * the offset that Go's time.Date takes.
   */
  instant(wall: number): number;
}

const zoneOf = (name: string, offsetAt: (at: number) => number): Zone => ({
  name,
  local: (at) => new Date(at + offsetAt(at)),
  instant: (wall) => wall - offsetAt(wall - offsetAt(wall)),
});

export const UTC: Zone = zoneOf('UTC', () => 0);

/** Reads the offset from UTC at an instant, in milliseconds. */
const offsetReader = (format: Intl.DateTimeFormat): ((at: number) => number) => {
  const read = (at: number): number => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
    const day = Date.UTC(part('year'), part('month') - 1, part('day'));
    const wall = day + ((part('hour') * 60 + part('minute')) * 60 + part('second')) * SECOND;
    return wall - Math.floor(at / SECOND) * SECOND;
  };
  const known = new Map<number, number>();
  const atDayStart = (day: number): number => {
    const offset = known.get(day) ?? read(day * DAY);
    known.set(day, offset);
    return offset;
  };
  // No zone changes its offset twice within a day.
  return (at) => {
    const day = Math.floor(at / DAY);
    const offset = atDayStart(day);
    return offset === atDayStart(day + 1) ? offset : read(at);
  };
};

/** The time zone of an IANA name; '' and Local mean UTC. Undefined for an unknown name; case matters, as in Go. */
export const createZone = (name: string): Zone | undefined => {
  if (name === '' || name === 'UTC' || name === 'Local') return UTC;
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    const known = format.resolvedOptions().timeZone;
    const isMiswritten = known !== name && known.toLowerCase() === name.toLowerCase();
    // Intl also takes offsets such as +02:00, which are no names.
    return isMiswritten || /^[+-]/.test(name) ? undefined : zoneOf(name, offsetReader(format));
  } catch {
    return undefined;
  }
};
