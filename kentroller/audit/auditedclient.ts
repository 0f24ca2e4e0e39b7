import type { Resource } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import type { Ref } from '../../kube/client/requestoptions.ts';
import { messageOf } from '../../kube/errors.ts';
import type { Audit, AuditEntry } from './trail.ts';

/** Characters; a longer change is left out. */
const MAX_CHANGE = 1024;

const changeOf = (body: object): { change?: string } => {
  const change = JSON.stringify(body);
  return change.length <= MAX_CHANGE ? { change } : {};
};

const refOf = (
  resource: Resource,
  { name, namespace }: { readonly name: string; readonly namespace?: string },
): AuditEntry['object'] => ({ kind: resource.kind, name, ...(namespace && { namespace }) });

/** A client that notes each write once the API server has answered. Dry runs are not noted. */
export const createAuditedClient = (client: KubeClient, audit: Audit): KubeClient => {
  const auditWrite = async <T>(
    verb: string,
    object: AuditEntry['object'],
    o: { readonly dryRun?: boolean; readonly subresource?: string } | undefined,
    write: () => Promise<T>,
    body?: object,
  ): Promise<T> => {
    if (o?.dryRun) return write();
    const message = `${verb} ${object.kind}${o?.subresource ? `/${o.subresource}` : ''} ${object.name}`;
    const note = { kind: 'write' as const, object, reason: verb, ...(body && changeOf(body)) };
    try {
      const answer = await write();
      audit.note({ ...note, message, outcome: 'done' });
      return answer;
    } catch (error) {
      audit.note({ ...note, message: `${message}: ${messageOf(error)}`, outcome: 'refused' });
      throw error;
    }
  };
  const pod = (ref: Ref): AuditEntry['object'] => refOf({ kind: 'Pod' } as Resource, ref);
  return {
    ...client,
    create: (resource, object, o) =>
      auditWrite('create', refOf(resource, object.metadata), o, () => client.create(resource, object, o)),
    replace: (resource, object, o) =>
      auditWrite('replace', refOf(resource, object.metadata), o, () => client.replace(resource, object, o)),
    apply: (resource, object, o) =>
      auditWrite('apply', refOf(resource, object.metadata), o, () => client.apply(resource, object, o)),
    patch: (resource, ref, body, o) =>
      auditWrite('patch', refOf(resource, ref), o, () => client.patch(resource, ref, body, o), body),
    delete: (resource, ref, o) =>
      auditWrite('delete', refOf(resource, ref), o, () => client.delete(resource, ref, o)),
    evict: (ref, o) => auditWrite('evict', pod(ref), o, () => client.evict(ref, o)),
    guarded: (guard) => createAuditedClient(client.guarded(guard), audit),
  };
};
