import type { KubeObject } from '../../../api/objects.ts';
import { PODS, type Resource } from '../../../api/resources.ts';
import type { KubeClient } from '../../client/client.ts';
import type { Ref } from '../../client/requestoptions.ts';
import { withType } from '../../client/requests.ts';
import { aborted } from '../../errors.ts';
import type { MemoryApi } from './api.ts';

/** One request on its way, as a test sees it. */
export interface Call {
  readonly verb: 'get' | 'list' | 'create' | 'replace' | 'apply' | 'patch' | 'delete' | 'evict' | 'bind';
  readonly resource: Resource;
  readonly ref: Partial<Ref>;
  readonly body?: object;
  readonly subresource?: string;
  readonly isDryRun?: boolean;
}

/** Carries one request: calls `serve` when it reaches the server, and returns or throws when the answer arrives. */
export type Wire = <T>(call: Call, serve: () => T) => Promise<T>;

/** Field manager of writes that name none. */
const DEFAULT_MANAGER = 'precision-packer';

const BINDING = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)\/binding$/;

interface Binding {
  readonly metadata: { readonly uid?: string; readonly annotations?: Record<string, string> };
  readonly target: { readonly name: string };
}

const refOf = ({ name, namespace }: KubeObject['metadata'] | Ref): Ref => ({
  name,
  ...(namespace !== undefined && { namespace }),
});

/** A KubeClient over the API server in memory; every request goes through the wire. Streams are not served. */
export const memoryClient = (api: MemoryApi, carry: Wire): KubeClient => {
  const send = async <T>(call: Call, signal: AbortSignal | undefined, serve: () => T): Promise<T> => {
    if (signal?.aborted) throw aborted(signal);
    return carry(call, serve);
  };
  const managed = (o: { readonly fieldManager?: string } | undefined) => ({
    fieldManager: o?.fieldManager ?? DEFAULT_MANAGER,
  });
  const unserved = (): never => {
    throw new Error('the API server in memory does not serve this');
  };
  const client: KubeClient = {
    server: 'memory',
    get: async (resource, ref, o) =>
      send({ verb: 'get', resource, ref }, o?.signal, () => api.get(resource, ref)),
    list: async (resource, o = {}) =>
      send({ verb: 'list', resource, ref: {} }, o.signal, () => ({
        items: [...api.list(resource, o)],
        resourceVersion: String(api.store.version),
      })),
    create: async (resource, object, o) =>
      send(
        {
          verb: 'create',
          resource,
          ref: refOf(object.metadata),
          body: object,
          isDryRun: o?.dryRun ?? false,
        },
        o?.signal,
        () =>
          api.create(resource, withType(resource, object) as typeof object, { ...o, ...managed(undefined) }),
      ),
    replace: async (resource, object, o = {}) => {
      const { subresource } = o;
      const named = { ...(subresource !== undefined && { subresource }) };
      const call: Call = { verb: 'replace', resource, ref: refOf(object.metadata), body: object, ...named };
      return send(call, o.signal, () =>
        api.replace(resource, withType(resource, object) as typeof object, {
          ...named,
          ...managed(undefined),
        }),
      );
    },
    apply: async (resource, object, o) =>
      send(
        {
          verb: 'apply',
          resource,
          ref: refOf(object.metadata),
          body: object,
          ...(o.subresource !== undefined && { subresource: o.subresource }),
        },
        o.signal,
        () => api.apply(resource, object, o),
      ),
    patch: async (resource, ref, body, o) =>
      send(
        {
          verb: 'patch',
          resource,
          ref,
          body,
          ...(o?.subresource !== undefined && { subresource: o.subresource }),
        },
        o?.signal,
        () => api.patch(resource, ref, body, { ...o, ...managed(o) }),
      ),
    delete: async (resource, ref, o) =>
      send({ verb: 'delete', resource, ref, body: { ...o, signal: undefined } }, o?.signal, () =>
        api.delete(resource, ref, o),
      ),
    evict: async (pod, o) =>
      send({ verb: 'evict', resource: PODS, ref: refOf(pod), body: pod }, o?.signal, () => api.evict(pod)),
    request: async <T>(method: string, path: string, o: { body?: unknown; signal?: AbortSignal } = {}) => {
      const [, namespace, name] = BINDING.exec(path) ?? [];
      if (method !== 'POST' || namespace === undefined || name === undefined) return unserved();
      const { metadata, target } = o.body as Binding;
      const call: Call = {
        verb: 'bind',
        resource: PODS,
        ref: { name, namespace },
        body: { nodeName: target.name },
      };
      return send(call, o.signal, () =>
        api.bind({ name, namespace, uid: metadata.uid }, target.name, metadata.annotations),
      ) as Promise<T>;
    },
    stream: async () => unserved(),
    guarded: (guard) =>
      memoryClient(api, (call, serve) => {
        if (call.verb !== 'get' && call.verb !== 'list') guard();
        return carry(call, serve);
      }),
    close: () => {},
  };
  return client;
};
