import { AUTOSCALER_POLICY } from '../../../api/kinds/autoscalerpolicy.ts';
import { AUTOSCALER_POLICIES } from '../../../api/resources.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import {
  CrowdedError,
  FairQueue,
  type FairQueueOptions,
  type Waiter,
} from '../../../kube/doors/fairqueue.ts';
import { messageOf } from '../../../kube/errors.ts';
import { PEER_AUDIENCE } from '../../../kube/grpc/peer.ts';

/** An answer other than the one that was asked for: the status of HTTP, and a sentence. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const REVIEW_MS = 5_000;
const MAX_TOKEN_BYTES = 16 * 1024;
/** Reviews have a rate of their own: strangers' tokens must not hold up what kentroller does itself. */
const RATE: FairQueueOptions = { perSecond: 10, burst: 20, inFlight: 2, waiting: 32 };

interface User {
  readonly username?: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}
interface TokenReview {
  readonly status?: {
    readonly authenticated?: boolean;
    readonly user?: User;
    readonly audiences?: readonly string[];
    readonly error?: string;
  };
}
interface AccessReview {
  readonly status?: { readonly allowed?: boolean; readonly reason?: string };
}

export type Verb = 'get' | 'update' | 'create';

const tokenOf = (authorization: string | undefined): string => {
  const token = /^bearer +([^\s]+)$/i.exec(authorization ?? '')?.[1];
  if (token === undefined)
    throw new Refused(
      401,
      `a bearer token for the audience ${PEER_AUDIENCE} is required: Authorization: Bearer <token>`,
    );
  if (token.length > MAX_TOKEN_BYTES) throw new Refused(401, 'the token is too long');
  return token;
};

/** Decides at each request whether its caller may read or write the policies, as the API server says. */
export class PolicyCallers {
  readonly #client: Pick<KubeClient, 'request'>;
  readonly #queue: FairQueue;

  constructor(client: Pick<KubeClient, 'request'>, rate: Partial<FairQueueOptions> = {}) {
    this.#client = client;
    this.#queue = new FairQueue({ ...RATE, ...rate });
  }

  /** The name of the user who may do all that. Throws Refused. */
  async mayDo(verbs: readonly Verb[], authorization: string | undefined, waiter: Waiter): Promise<string> {
    const token = tokenOf(authorization);
    try {
      return await this.#queue.run(waiter, async () => {
        const user = await this.#userOf(token);
        for (const verb of verbs) await this.#check(user, verb);
        return user.username ?? '';
      });
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (error instanceof CrowdedError) throw new Refused(429, error.message);
      throw new Refused(503, `the caller can't be looked at now: ${messageOf(error)}`);
    }
  }

  async #review<T>(path: string, kind: string, spec: object): Promise<T> {
    const [group = ''] = path.split('/');
    const body = { apiVersion: `${group}/v1`, kind, spec };
    const signal = AbortSignal.timeout(REVIEW_MS);
    return this.#client.request<T>('POST', `/apis/${path}`, { body, signal, hasOwnPace: true });
  }

  async #userOf(token: string): Promise<User> {
    const spec = { token, audiences: [PEER_AUDIENCE] };
    const { status } = await this.#review<TokenReview>(
      'authentication.k8s.io/v1/tokenreviews',
      'TokenReview',
      spec,
    );
    if (status?.authenticated !== true || !status.user?.username)
      throw new Refused(
        401,
        `the API server does not accept the token: ${status?.error || 'not authenticated'}`,
      );
    // An API server that knows no audiences accepts tokens that were made for others.
    if (!status.audiences?.includes(PEER_AUDIENCE))
      throw new Refused(401, `the token is not for the audience ${PEER_AUDIENCE}`);
    return status.user;
  }

  async #check(user: User, verb: Verb): Promise<void> {
    const { group, version, plural: resource } = AUTOSCALER_POLICIES;
    const resourceAttributes = { group, version, resource, verb, name: AUTOSCALER_POLICY };
    const { username, uid, groups, extra } = user;
    const spec = { user: username, uid, groups, extra, resourceAttributes };
    const path = 'authorization.k8s.io/v1/subjectaccessreviews';
    const { status } = await this.#review<AccessReview>(path, 'SubjectAccessReview', spec);
    if (status?.allowed !== true)
      throw new Refused(
        403,
        `${username} may not ${verb} ${resource}.${group}: give it the role precision-packer-operator, or one like it`,
      );
  }
}
