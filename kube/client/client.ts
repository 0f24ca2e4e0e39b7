import type { IncomingMessage } from 'node:http';
import type { KubeObject } from '../../api/objects.ts';
import { PODS, type Resource } from '../../api/resources.ts';
import { inCluster, readKubeconfig } from './kubeconfig.ts';
import { listPages } from './pages.ts';
import { TokenBucket } from './ratelimit.ts';
import type {
  Applied,
  ApplyOptions,
  DeleteOptions,
  EvictedPod,
  ListOptions,
  PatchOptions,
  ReadOptions,
  Ref,
  RequestOptions,
  StreamOptions,
  WriteOptions,
} from './requestoptions.ts';
import {
  deleteBody,
  evictionBody,
  hasPrecondition,
  objectAt,
  PATCH_CONTENT_TYPES,
  pathTo,
  refOf,
  withType,
  writeBody,
  writeQuery,
} from './requests.ts';
import { type Call, createSender, type Sender } from './sender.ts';
import { Transport } from './transport.ts';

const INACTIVITY_MS = 30_000;

export interface ConnectOptions {
  /** A path, or several joined as in KUBECONFIG; without it the pod's ServiceAccount is used. */
  readonly kubeconfig?: string;
  /** Requests per second and burst, limited on our side as in client-go. */
  readonly qps?: number;
  readonly burst?: number;
  readonly userAgent: string;
  /** Milliseconds without a byte after which a request is given up; 30 s by default. Watches have their own limit. */
  readonly inactivityMs?: number;
  /** The environment in which a pod finds its API server, and in which credential plugins run. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * The Kubernetes API over one pool of connections. Every method throws a KubeError when the server or the network
 * fails, an AbortError when its signal aborts, and a FencedError when a fenced client is too late.
 */
export interface KubeClient {
  readonly server: string;
  get<T extends KubeObject>(resource: Resource<T>, ref: Ref, o?: ReadOptions): Promise<T>;
  /** All matching objects, fetched in pages of 500. */
  list<T extends KubeObject>(
    resource: Resource<T>,
    o?: ListOptions,
  ): Promise<{ items: T[]; resourceVersion: string }>;
  create<T extends KubeObject>(resource: Resource<T>, object: T, o?: WriteOptions): Promise<T>;
  /** PUT of the whole object; its resourceVersion is the precondition. */
  replace<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    o?: WriteOptions & { readonly subresource?: string },
  ): Promise<T>;
  /** Server-side apply; apiVersion and kind are filled in. */
  apply<T extends KubeObject, A extends Applied>(
    resource: Resource<T>,
    object: A,
    o: ApplyOptions,
  ): Promise<T>;
  /** A merge patch by default; metadata.resourceVersion or uid in the body is a precondition. */
  patch<T extends KubeObject>(resource: Resource<T>, ref: Ref, body: object, o?: PatchOptions): Promise<T>;
  delete(resource: Resource, ref: Ref, o?: DeleteOptions): Promise<void>;
  /** pods/eviction; a budget that forbids it (429) surfaces at once as retryable, with retryAfterMs. */
  evict(pod: EvictedPod, o?: WriteOptions & { readonly gracePeriodSeconds?: number }): Promise<void>;
  request<T>(method: string, path: string, o?: RequestOptions): Promise<T>;
  /** The body of a response as it arrives, for watches: chunks until the server ends it. */
  stream(path: string, o: StreamOptions): Promise<IncomingMessage>;
  /** The same client over the same pool, which calls the guard at the last moment before each write is sent. */
  guarded(guard: () => void): KubeClient;
  close(): void;
}

const createClient = (sender: Sender, transport: Transport): KubeClient => {
  const send = <T>(call: Call): Promise<T> => sender.send<T>(call);
  return {
    server: transport.server,
    get: async (resource, ref, o) =>
      send({ method: 'GET', ...objectAt(resource, ref), signal: o?.signal, isRepeatable: true }),
    list: async (resource, o = {}) => listPages(sender, resource, o),
    create: async (resource, object, o) => {
      const { namespace } = object.metadata;
      return send({
        method: 'POST',
        path: pathTo(resource, { ...(namespace && { namespace }) }),
        query: writeQuery(o),
        body: withType(resource, object),
        signal: o?.signal,
        isRepeatable: false,
      });
    },
    replace: async (resource, object, o) =>
      send({
        method: 'PUT',
        ...objectAt(resource, refOf(object), o?.subresource),
        query: writeQuery(o),
        body: writeBody(withType(resource, object), o?.subresource),
        signal: o?.signal,
        isRepeatable: false,
      }),
    apply: async (resource, object, o) =>
      send({
        method: 'PATCH',
        ...objectAt(resource, refOf(object), o.subresource),
        query: writeQuery(o),
        body: writeBody(withType(resource, object), o.subresource),
        contentType: 'application/apply-patch+yaml',
        signal: o.signal,
        isRepeatable: !hasPrecondition(object),
      }),
    patch: async (resource, ref, body, o) =>
      send({
        method: 'PATCH',
        ...objectAt(resource, ref, o?.subresource),
        query: writeQuery(o),
        body: writeBody(body, o?.subresource),
        contentType: PATCH_CONTENT_TYPES[o?.type ?? 'merge'],
        signal: o?.signal,
        isRepeatable: (o?.type ?? 'merge') === 'merge' && !hasPrecondition(body),
        hold: o?.hold,
      }),
    delete: async (resource, ref, o) => {
      await send({
        method: 'DELETE',
        ...objectAt(resource, ref),
        body: deleteBody(o),
        signal: o?.signal,
        isRepeatable: o?.uid !== undefined && !o.dryRun,
      });
    },
    evict: async (pod, o) => {
      const { name, namespace, uid } = pod;
      await send({
        method: 'POST',
        ...objectAt(PODS, { name, namespace }, 'eviction'),
        body: evictionBody(pod, o),
        signal: o?.signal,
        isRepeatable: uid !== undefined,
        surfacesTooMany: true,
      });
    },
    request: async (method, path, o = {}) =>
      send({
        method,
        path,
        query: o.query,
        body: o.body,
        contentType: o.contentType,
        signal: o.signal,
        hasOwnPace: o.hasOwnPace,
        isRepeatable: method === 'GET',
      }),
    stream: async (path, o) =>
      sender.open(
        { method: 'GET', path, query: o.query, signal: o.signal, accept: o.accept, isRepeatable: true },
        o.inactivityMs,
      ),
    guarded: (guard) => createClient(sender.guarded(guard), transport),
    close: () => transport.close(),
  };
};

/**
 * Connects with the kubeconfig or the ServiceAccount; no byte is sent yet. Throws OptionsError when neither can be
 * used.
 */
export const connect = (o: ConnectOptions): KubeClient => {
  const target = o.kubeconfig ? readKubeconfig(o.kubeconfig) : inCluster(o.env ?? {});
  const transport = new Transport(target, o.env);
  const limiter = o.qps === undefined ? undefined : new TokenBucket(o.qps, o.burst ?? o.qps * 2);
  return createClient(
    createSender({
      transport,
      limiter,
      userAgent: o.userAgent,
      inactivityMs: o.inactivityMs ?? INACTIVITY_MS,
    }),
    transport,
  );
};
