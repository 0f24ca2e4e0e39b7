import { randomUUID } from 'node:crypto';
import type { KubeObject } from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { Recorder } from '../../kube/controller/events.ts';

/** One line of the audit trail: something that was decided, or something that was written to the API server. */
export interface AuditEntry {
  /** Ours alone: who is sent an entry twice can tell. */
  readonly id: string;
  readonly time: string;
  readonly kind: 'decision' | 'write';
  readonly object: { readonly kind: string; readonly name: string; readonly namespace?: string };
  /** The event reason of a decision; the verb of a write. */
  readonly reason: string;
  readonly message: string;
  /** Of writes: whether the API server took it. */
  readonly outcome?: 'done' | 'refused';
  /** Of writes: what was changed, as JSON, where it is short. */
  readonly change?: string;
}

export type AuditNote = Omit<AuditEntry, 'id' | 'time'>;

/** Takes notes and returns at once; whatever becomes of them. */
export interface Audit {
  note(note: AuditNote): void;
}

/** Where entries go besides the log. */
export interface AuditSink {
  add(entry: AuditEntry): void;
}

const LONGEST_MESSAGE = 1024;

export const createAudit = (o: {
  readonly log: Logger;
  readonly now: () => number;
  readonly sink?: AuditSink;
}): Audit => {
  const log = o.log.child({ logger: 'audit' });
  return {
    note: (note) => {
      const message = note.message.slice(0, LONGEST_MESSAGE);
      const entry = { id: randomUUID(), time: new Date(o.now()).toISOString(), ...note, message };
      log.info(entry, 'audit');
      o.sink?.add(entry);
    },
  };
};

export const objectRef = (resource: Resource, object: KubeObject): AuditEntry['object'] => ({
  kind: resource.kind,
  name: object.metadata.name,
  ...(object.metadata.namespace ? { namespace: object.metadata.namespace } : {}),
});

/** The same recorder; what it tells the cluster as an event is noted as a decision. */
export const createAuditedRecorder = (recorder: Recorder, audit: Audit): Recorder => ({
  event: (resource, object, type, reason, message) => {
    audit.note({ kind: 'decision', object: objectRef(resource, object), reason, message });
    recorder.event(resource, object, type, reason, message);
  },
  flush: () => recorder.flush(),
});
