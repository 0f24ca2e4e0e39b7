export interface Ref {
  readonly name: string;
  readonly namespace?: string;
}

/** A pod to evict; uid and resourceVersion are preconditions. */
export interface EvictedPod {
  readonly name: string;
  readonly namespace: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

export interface ReadOptions {
  readonly signal?: AbortSignal;
}

export interface ListOptions extends ReadOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Metadata alone, which is a small part of a pod. */
  readonly isMetadataOnly?: boolean;
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
  /** Called when the server has allowed the request and waits for its body, which is sent once this resolves. */
  readonly hold?: () => Promise<void>;
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
  /** True when the caller keeps a rate of its own; the client's limit neither delays nor counts the request. */
  readonly hasOwnPace?: boolean;
}

export interface StreamOptions {
  readonly query: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Milliseconds without a byte after which the connection is closed. */
  readonly inactivityMs: number;
  /** The Accept header; JSON when left out. */
  readonly accept?: string;
}

/** An object for server-side apply: the fields that we own, and their name. */
export type Applied = object & {
  readonly metadata: { readonly name: string; readonly namespace?: string };
};
