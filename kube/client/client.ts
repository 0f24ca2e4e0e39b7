import type { IncomingMessage } from 'node:http';
import type { KubeObject, Pod } from '../../api/objects.ts';
import { apiVersionOf, PODS, pathOf, type Resource } from '../../api/resources.ts';
import { isConflict, isGone, KubeError } from '../errors.ts';
import { inCluster, readKubeconfig } from './kubeconfig.ts';
import { TokenBucket } from './ratelimit.ts';
import { type Call, createSender, type Sender } from './sender.ts';
import { Transport } from './transport.ts';

export interface Ref {
  readonly name: string;
  readonly namespace?: string;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
}

export interface ListOptions extends ReadOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface WriteOptions {
  readonly signal?: AbortSignal;
  readonly dryRun?: boolean;
}

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  readonly force?: boolean;
  readonly subresource?: string;
}

export interface PatchOptions extends WriteOptions {
  readonly type?: 'merge' | 'json' | 'strategic';
  readonly subresource?: string;
  readonly fieldManager?: string;
}

export interface DeleteOptions extends WriteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** An object for server-side apply: the fields that we own, and their name. */
export type Applied = object & {
  readonly metadata: { readonly name: string; readonly namespace?: string };
};

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
  /** pods/binding with the UID as precondition; a pod already on that node counts as bound. */
  bind(
    pod: { readonly name: string; readonly namespace: string; readonly uid: string },
    nodeName: string,
    o?: WriteOptions,
  ): Promise<void>;
  /** pods/eviction; a budget that forbids it (429) surfaces at once as retryable, with retryAfterMs. */
  evict(
    pod: { readonly name: string; readonly namespace: string; readonly uid?: string },
    o?: WriteOptions & { readonly gracePeriodSeconds?: number },
  ): Promise<void>;
  request<T>(method: string, path: string, o?: RequestOptions): Promise<T>;
  /** The body of a response as it arrives, for watches: chunks until the server ends it. */
  stream(path: string, o: StreamOptions): Promise<IncomingMessage>;
  /** The same client over the same pool, which calls the guard at the last moment before each write is sent. */
  guarded(guard: () => void): KubeClient;
  close(): void;
}

export interface StreamOptions {
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the connection is closed. */
  readonly inactivityMs: number;
  /** The Accept header; JSON when left out. */
  readonly accept?: string;
}

export interface ConnectOptions {
  /** A path, or several joined as in KUBECONFIG; without it the pod's ServiceAccount is used. */
  readonly kubeconfig?: string;
  /** Requests per second and burst, limited on our side as in client-go. */
  readonly qps?: number;
  readonly burst?: number;
  readonly userAgent: string;
  /** Milliseconds without a byte after which a request is given up; 30 s by default. Watches have their own limit. */
  readonly inactivityMs?: number;
  /** The environment in which a pod finds its API server. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const PAGE = 500;
const INACTIVITY_MS = 30_000;

const compact = (
  query: Readonly<Record<string, string | number | boolean | undefined>>,
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(query).flatMap(([k, v]) => (v === undefined || v === false ? [] : [[k, String(v)]])),
  );

const writeQuery = (
  o: { readonly dryRun?: boolean; readonly fieldManager?: string; readonly force?: boolean } | undefined,
): Record<string, string> =>
  compact({ dryRun: o?.dryRun ? 'All' : undefined, fieldManager: o?.fieldManager, force: o?.force });

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

const hasPrecondition = (body: object): boolean => {
  const meta: unknown = 'metadata' in body ? body.metadata : undefined;
  return typeof meta === 'object' && meta !== null && 'resourceVersion' in meta;
};

/** The path of an object, or of its collection where it has no name yet. */
const place = (
  resource: Resource,
  ref: { readonly name?: string; readonly namespace?: string },
  subresource?: string,
): string => {
  if (resource.namespaced && !ref.namespace)
    throw new KubeError(`${resource.kind} ${ref.name ?? ''} was given no namespace`, { kind: 'terminal' });
  return pathOf(resource, { ...ref, ...(subresource ? { subresource } : {}) });
};

const typed = (resource: Resource, object: object): object => ({
  apiVersion: apiVersionOf(resource),
  kind: resource.kind,
  ...object,
});

interface Page<T> {
  readonly items?: T[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

const build = (sender: Sender, transport: Transport): KubeClient => {
  const send = <T>(call: Call): Promise<T> => sender.send<T>(call);
  const listPages = async <T extends KubeObject>(
    resource: Resource<T>,
    o: ListOptions,
  ): Promise<{ items: T[]; resourceVersion: string }> => {
    const items: T[] = [];
    for (let next: string | undefined; ; ) {
      const page = await send<Page<T>>({
        method: 'GET',
        path: pathOf(resource, o.namespace ? { namespace: o.namespace } : {}),
        query: compact({
          limit: PAGE,
          continue: next,
          labelSelector: o.labelSelector,
          fieldSelector: o.fieldSelector,
        }),
        signal: o.signal,
        isRepeatable: true,
      });
      for (const item of page.items ?? []) items.push(item);
      next = page.metadata?.continue;
      if (!next) return { items, resourceVersion: page.metadata?.resourceVersion ?? '' };
    }
  };

  return {
    server: transport.server,
    get: async (resource, ref, o) =>
      send({ method: 'GET', path: place(resource, ref), signal: o?.signal, isRepeatable: true }),
    list: async (resource, o = {}) => {
      try {
        return await listPages(resource, o);
      } catch (e) {
        // The snapshot behind the pages was compacted: list once more from the start.
        if (isGone(e)) return await listPages(resource, o);
        throw e;
      }
    },
    create: async (resource, object, o) => {
      const { namespace } = object.metadata;
      return send({
        method: 'POST',
        path: place(resource, namespace ? { namespace } : {}),
        query: writeQuery(o),
        body: typed(resource, object),
        signal: o?.signal,
        isRepeatable: false,
      });
    },
    replace: async (resource, object, o) =>
      send({
        method: 'PUT',
        path: place(resource, refOf(object), o?.subresource),
        query: writeQuery(o),
        body: typed(resource, object),
        signal: o?.signal,
        isRepeatable: false,
      }),
    apply: async (resource, object, o) =>
      send({
        method: 'PATCH',
        path: place(resource, refOf(object), o.subresource),
        query: writeQuery(o),
        body: typed(resource, object),
        contentType: 'application/apply-patch+yaml',
        signal: o.signal,
        isRepeatable: !hasPrecondition(object),
      }),
    patch: async (resource, ref, body, o) =>
      send({
        method: 'PATCH',
        path: place(resource, ref, o?.subresource),
        query: writeQuery(o),
        body,
        contentType: PATCH_TYPES[o?.type ?? 'merge'],
        signal: o?.signal,
        isRepeatable: (o?.type ?? 'merge') === 'merge' && !hasPrecondition(body),
      }),
    delete: async (resource, ref, o) => {
      const { uid, resourceVersion } = o ?? {};
      const preconditions = { ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
      await send({
        method: 'DELETE',
        path: place(resource, ref),
        body: {
          apiVersion: 'v1',
          kind: 'DeleteOptions',
          ...(uid || resourceVersion ? { preconditions } : {}),
          ...(o?.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: o.gracePeriodSeconds }),
          ...(o?.propagationPolicy ? { propagationPolicy: o.propagationPolicy } : {}),
          ...(o?.dryRun ? { dryRun: ['All'] } : {}),
        },
        signal: o?.signal,
        isRepeatable: uid !== undefined && !o?.dryRun,
      });
    },
    bind: async (pod, nodeName, o) => {
      const { name, namespace, uid } = pod;
      try {
        await send({
          method: 'POST',
          path: place(PODS, { name, namespace }, 'binding'),
          query: writeQuery(o),
          body: {
            apiVersion: 'v1',
            kind: 'Binding',
            metadata: { name, namespace, uid },
            target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
          },
          signal: o?.signal,
          isRepeatable: true,
        });
      } catch (e) {
        if (!isConflict(e)) throw e;
        const found = await send<Pod>({
          method: 'GET',
          path: place(PODS, { name, namespace }),
          signal: o?.signal,
          isRepeatable: true,
        });
        if (found.metadata.uid !== uid || found.spec.nodeName !== nodeName) throw e;
      }
    },
    evict: async (pod, o) => {
      const { name, namespace, uid } = pod;
      await send({
        method: 'POST',
        path: place(PODS, { name, namespace }, 'eviction'),
        body: {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { name, namespace },
          deleteOptions: {
            ...(uid ? { preconditions: { uid } } : {}),
            ...(o?.gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds: o.gracePeriodSeconds }),
            ...(o?.dryRun ? { dryRun: ['All'] } : {}),
          },
        },
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
        isRepeatable: method === 'GET',
      }),
    stream: async (path, o) =>
      sender.open(
        { method: 'GET', path, query: o.query, signal: o.signal, accept: o.accept, isRepeatable: true },
        o.inactivityMs,
      ),
    guarded: (guard) => build(sender.guarded(guard), transport),
    close: () => transport.close(),
  };
};

const refOf = (object: {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}): Ref => {
  const { name, namespace } = object.metadata;
  return { name, ...(namespace ? { namespace } : {}) };
};

/**
 * Connects with the kubeconfig or the ServiceAccount; no byte is sent yet. Throws OptionsError when neither can be
 * used.
 */
export const connect = (o: ConnectOptions): KubeClient => {
  const transport = new Transport(
    o.kubeconfig ? readKubeconfig(o.kubeconfig) : inCluster(o.env ?? process.env),
  );
  const limiter = o.qps === undefined ? undefined : new TokenBucket(o.qps, o.burst ?? o.qps * 2);
  return build(
    createSender({
      transport,
      limiter,
      userAgent: o.userAgent,
      inactivityMs: o.inactivityMs ?? INACTIVITY_MS,
    }),
    transport,
  );
};
