import type { KubeObject } from '../api/objects.ts';
import type { Resource } from '../api/resources.ts';

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

/** What server-side apply is given: the fields we own, and the name they go under. */
export type Applied = object & {
  readonly metadata: { readonly name: string; readonly namespace?: string };
};

/**
 * The Kubernetes API over one pool of connections. Every method throws a KubeError when the server or the network
 * refuses, an AbortError when its signal is aborted, and a FencedError when the client is fenced and too late.
 */
export interface KubeClient {
  readonly server: string;
  get<T extends KubeObject>(resource: Resource<T>, ref: Ref, o?: ReadOptions): Promise<T>;
  /** Everything that matches, fetched in pages of 500. */
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
  apply<T extends KubeObject>(resource: Resource<T>, object: Applied, o: ApplyOptions): Promise<T>;
  /** A merge patch unless told otherwise; put metadata.resourceVersion or uid in the body for a precondition. */
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
  stream(path: string, o: StreamOptions): Promise<AsyncIterable<Buffer>>;
  /** The same client over the same pool, whose writes first call guard, at the last moment before they are sent. */
  guarded(guard: () => void): KubeClient;
  close(): void;
}

export interface StreamOptions {
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the connection is given up. */
  readonly inactivityMs: number;
}

export interface ConnectOptions {
  /** A path, or several joined as in KUBECONFIG; without it the pod's ServiceAccount is used. */
  readonly kubeconfig?: string;
  /** Requests per second and burst, kept on our side as client-go does. */
  readonly qps?: number;
  readonly burst?: number;
  readonly userAgent: string;
}
