import { createHash } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import type { KubeClient } from '../client/client.ts';
import { CrowdedError, FairQueue, type FairQueueOptions, type Waiter } from '../doors/fairqueue.ts';
import { messageOf } from '../errors.ts';
import { TtlCache } from '../ttlcache.ts';

/** Milliseconds until an accepted token is reviewed again, which ends the use of a revoked one. */
const ACCEPTED_MS = 60_000;
/** Milliseconds for which a refused token is refused again without a review. */
const REFUSED_MS = 10_000;
/** API servers accept a token for a minute after its end: meanwhile it is not asked about all the time. */
const SHORTEST_MS = 5_000;
const KEPT = 1024;
const MAX_TOKEN_BYTES = 16 * 1024;
const REVIEW_MS = 5_000;

/** Reviews have a rate of their own: strangers' tokens must not hold up a leader's bindings and its Lease. */
const RATE: FairQueueOptions = { perSecond: 20, burst: 40, inFlight: 4, waiting: 64 };

export interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: { readonly username?: string };
    readonly audiences?: readonly string[];
    readonly error?: string;
  };
}

/** A token that was accepted, until it has to be reviewed again, in milliseconds since 1970. */
export interface Accepted {
  readonly user: string;
  readonly until: number;
}

/** A call without a good token; `code` is the gRPC status. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
  readonly code: status;

  constructor(message: string, code: status) {
    super(message);
    this.code = code;
  }
}

const unauthenticated = (message: string): TokenRefused => new TokenRefused(message, status.UNAUTHENTICATED);

/** The end of a JWT, which only the API server has checked; undefined for other tokens. */
export const endOfToken = (token: string): number | undefined => {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const { exp } = claims as { readonly exp?: unknown };
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
};

/** Asks the API server whose a token is. */
export const createTokenReview =
  (client: KubeClient, audience: string) =>
  (token: string): Promise<TokenReview> =>
    client.request<TokenReview>('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [audience] },
      },
      signal: AbortSignal.timeout(REVIEW_MS),
      hasOwnPace: true,
    });

/** Tells callers by their tokens. */
export class TokenReviewer {
  readonly #review: (token: string) => Promise<TokenReview>;
  readonly #audience: string;
  readonly #callers: ReadonlySet<string>;
  readonly #acceptedMs: number;
  readonly #now: () => number;
  readonly #queue: FairQueue;
  readonly #accepted: TtlCache<Accepted>;
  readonly #refused: TtlCache<string>;

  constructor(o: {
    readonly review: (token: string) => Promise<TokenReview>;
    readonly audience: string;
    /** User names that may call; nobody when empty. */
    readonly callers: readonly string[];
    readonly rate?: Partial<FairQueueOptions>;
    readonly acceptedMs?: number;
    readonly now?: () => number;
  }) {
    this.#review = o.review;
    this.#audience = o.audience;
    this.#callers = new Set(o.callers);
    this.#acceptedMs = o.acceptedMs ?? ACCEPTED_MS;
    this.#now = o.now ?? Date.now;
    this.#queue = new FairQueue({ ...RATE, ...o.rate });
    this.#accepted = new TtlCache({ ttlMs: this.#acceptedMs, maxSize: KEPT, now: this.#now });
    this.#refused = new TtlCache({ ttlMs: REFUSED_MS, maxSize: KEPT, now: this.#now });
  }

  /** The user of a token. Throws TokenRefused. */
  async userOf(token: string, waiter: Waiter, isWanted?: () => boolean): Promise<Accepted> {
    if (token === '')
      throw unauthenticated('the call has no ServiceAccount token in its authorization metadata');
    if (token.length > MAX_TOKEN_BYTES) throw unauthenticated('the token is too long');
    const key = createHash('sha256').update(token).digest('base64');
    const accepted = this.#accepted.get(key);
    if (accepted && accepted.until > this.#now()) return accepted;
    const refused = this.#refused.get(key);
    if (refused !== undefined) throw unauthenticated(refused);
    const review = await this.#queue
      .run(waiter, () => this.#review(token), isWanted)
      .catch((cause: unknown) => {
        if (cause instanceof CrowdedError) throw new TokenRefused(cause.message, status.RESOURCE_EXHAUSTED);
        throw new TokenRefused(`the token can't be reviewed now: ${messageOf(cause)}`, status.UNAVAILABLE);
      });
    const user = this.#judge(review);
    if (typeof user !== 'string') {
      this.#refused.set(key, user.refusal);
      throw unauthenticated(user.refusal);
    }
    const now = this.#now();
    const until = Math.max(
      now + SHORTEST_MS,
      Math.min(now + this.#acceptedMs, endOfToken(token) ?? Number.POSITIVE_INFINITY),
    );
    const fresh = { user, until };
    this.#accepted.set(key, fresh);
    return fresh;
  }

  /** The user of a review, or why it is refused. */
  #judge({ status: found }: TokenReview): string | { readonly refusal: string } {
    const user = found?.user?.username;
    if (found?.authenticated !== true || !user)
      return { refusal: `the API server does not accept the token: ${found?.error ?? 'not authenticated'}` };
    // An API server that knows no audiences accepts tokens that were made for others.
    if (!found.audiences?.includes(this.#audience))
      return { refusal: `the token is not for the audience ${this.#audience}` };
    if (!this.#callers.has(user))
      return { refusal: `${user} may not call this service; add it to PEER_CALLERS` };
    return user;
  }
}
