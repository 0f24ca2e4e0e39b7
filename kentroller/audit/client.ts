import type { Resource } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Ref } from '../../kube/client/requestoptions.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Audit, AuditEntry } from './trail.ts';

/** A change longer than this is left out: the object itself tells. */
const LONGEST_CHANGE = 1024;

const changeOf = (body: object): { change?: string } => {
  const change = JSON.stringify(body);
  return change.length <= LONGEST_CHANGE ? { change } : {};
};

const target = (
  resource: Resource,
  { name, namespace }: { readonly name: string; readonly namespace?: string },
): AuditEntry['object'] => ({ kind: resource.kind, name, ...(namespace ? { namespace } : {}) });

/** The same client, whose writes are noted once the API server has answered. Dry runs write nothing. */
export const audited = (client: KubeClient, audit: Audit): KubeClient => {
  const noted = async <T>(
    verb: string,
    object: AuditEntry['object'],
    o: { readonly dryRun?: boolean; readonly subresource?: string } | undefined,
    write: () => Promise<T>,
    body?: object,
  ): Promise<T> => {
    if (o?.dryRun) return write();
    const what = `${verb} ${object.kind}${o?.subresource ? `/${o.subresource}` : ''} ${object.name}`;
    const note = { kind: 'write' as const, object, reason: verb, ...(body ? changeOf(body) : {}) };
    try {
      const answer = await write();
      audit.note({ ...note, message: what, outcome: 'done' });
      return answer;
    } catch (error) {
      const why = messageOf(error);
      audit.note({ ...note, message: `${what}: ${why}`, outcome: 'refused' });
      throw error;
    }
  };
  const pod = (ref: Ref): AuditEntry['object'] => target({ kind: 'Pod' } as Resource, ref);
  return {
    ...client,
    create: (resource, object, o) =>
      noted('create', target(resource, object.metadata), o, () => client.create(resource, object, o)),
    replace: (resource, object, o) =>
      noted('replace', target(resource, object.metadata), o, () => client.replace(resource, object, o)),
    apply: (resource, object, o) =>
      noted('apply', target(resource, object.metadata), o, () => client.apply(resource, object, o)),
    patch: (resource, ref, body, o) =>
      noted('patch', target(resource, ref), o, () => client.patch(resource, ref, body, o), body),
    delete: (resource, ref, o) =>
      noted('delete', target(resource, ref), o, () => client.delete(resource, ref, o)),
    evict: (ref, o) => noted('evict', pod(ref), o, () => client.evict(ref, o)),
    bind: (ref, node, o) => noted('bind', pod(ref), o, () => client.bind(ref, node, o), { node }),
    guarded: (guard) => audited(client.guarded(guard), audit),
  };
};
