import { loadPinningServices } from '../../api/pinning.ts';
import {
  callStrangely,
  connectStranger,
  headOf,
  openStrangeSession,
  type Place,
} from '../../kube/testing/stranger.ts';
import { PATH, POLICIES_PATH } from './known.ts';

/** What strangers do to a door. A stranger is taken to know the path of admission. */

const KiB = 2 ** 10;
const MiB = 2 ** 20;
/** Milliseconds after which a stranger lets go by itself. */
const PATIENCE_MS = 15_000;

export interface Attack {
  readonly door: 'webhook' | 'extender' | 'peers' | 'policies';
  readonly what: string;
  /** Strangers at work at once. */
  readonly strangers: number;
  /** One go; resolves to the hostile requests that it made. */
  readonly go: (place: Place) => Promise<number>;
}

const PIECE = 64 * 1024;

/** The name of an attack for --only. */
export const nameOf = ({ door, what }: Attack): string => `${door}:${what.replaceAll(' ', '-')}`;

/** Sends a head, and then so many bytes of the filling until the connection ends. */
const post = (
  head: string,
  o: { readonly bytes: number; readonly start?: string; readonly filling: string },
) => {
  const piece = Buffer.alloc(PIECE, o.filling);
  return async (place: Place): Promise<number> => {
    const stranger = await connectStranger(place);
    const { socket } = stranger;
    if (socket.destroyed) return 1;
    const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
    stranger.write(head + (o.start ?? ''));
    let left = o.bytes - (o.start ?? '').length;
    const send = (): void => {
      while (left > 0 && !socket.destroyed) {
        const bytes = piece.subarray(0, Math.min(left, PIECE));
        left -= bytes.length;
        if (!socket.write(bytes)) {
          socket.once('drain', send);
          return;
        }
      }
    };
    send();
    await stranger.ended;
    clearTimeout(timer);
    return 1;
  };
};

const NOTHING = { bytes: 0, filling: ' ' };
const doorOf = (
  door: 'webhook' | 'extender' | 'policies',
  path: string,
  limit: number,
  head: (length: number) => string = (length) => headOf(path, length),
): readonly Attack[] => [
  {
    door,
    what: 'brackets in brackets',
    strangers: 16,
    go: post(head(limit), { bytes: limit, start: '{"Pod":', filling: '[' }),
  },
  {
    door,
    what: 'tiny values',
    strangers: 16,
    go: post(head(limit), { bytes: limit, start: '{"Pod":[', filling: '[],' }),
  },
  {
    door,
    what: 'bodies over the limit',
    strangers: 64,
    go: post(head(8 * MiB), { bytes: 8 * MiB, filling: ' ' }),
  },
  {
    door,
    what: 'unfinished bodies',
    strangers: 256,
    go: post(head(limit), { bytes: limit - 1, filling: ' ' }),
  },
  {
    door,
    what: 'unfinished heads',
    strangers: 256,
    go: post(`POST ${path} HTTP/1.1\r\nx: `, NOTHING),
  },
  { door, what: 'idle connections', strangers: 1_500, go: post('', NOTHING) },
];

const bogusToken = (): string => `bogus-${Math.random()}`;
/** A reading of the policies after which the connection ends. */
const bogusRead = (): string =>
  `GET ${POLICIES_PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer ${bogusToken()}\r\n\r\n`;

const TAKE = loadPinningServices().slots.Take?.path ?? '';
const CALLS = 100;

/** Calls on one session until it is cut, 16 at a time. */
const call =
  (pathOf: (i: number) => string) =>
  async (place: Place): Promise<number> => {
    const session = await openStrangeSession(place);
    let made = 0;
    const work = async (): Promise<void> => {
      while (made < CALLS && session && !session.destroyed && !session.closed) {
        made++;
        await callStrangely(session, pathOf(made), `bogus-${place.port}-${Math.random()}`);
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    session?.destroy();
    // A connection that was turned away was a hostile request as well.
    return Math.max(1, made);
  };

const wait = async (place: Place): Promise<number> => {
  const session = await openStrangeSession(place);
  if (!session) return 1;
  const timer = setTimeout(() => session.destroy(), PATIENCE_MS);
  if (!session.destroyed) await new Promise<void>((resolve) => session.once('close', resolve));
  clearTimeout(timer);
  return 1;
};

export const ATTACKS: readonly Attack[] = [
  ...doorOf('webhook', PATH, 3 * MiB),
  ...doorOf('extender', '/filter', 2 * MiB),
  ...doorOf('policies', POLICIES_PATH, 64 * KiB, (length) =>
    headOf(POLICIES_PATH, length, 'PUT', `authorization: Bearer ${bogusToken()}\r\n`),
  ),
  { door: 'policies', what: 'bogus tokens', strangers: 16, go: (place) => post(bogusRead(), NOTHING)(place) },
  { door: 'peers', what: 'bogus tokens', strangers: 16, go: call(() => TAKE) },
  { door: 'peers', what: 'unknown methods', strangers: 16, go: call((i) => `/nobody/Serves${i}`) },
  { door: 'peers', what: 'idle sessions', strangers: 500, go: wait },
];
