import { randomUUID } from 'node:crypto';
import type { KubeObject } from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';
import type { Logger } from '../../kube/component/log.ts';
import type { Recorder } from '../../kube/controller/events.ts';

/** One entry of the audit trail: a decision, or a write to the API server. */
export interface AuditEntry {
  /** Unique, so that a receiver can drop an entry that is sent twice. */
  readonly id: string;
  readonly time: string;
  readonly kind: 'decision' | 'write';
  readonly object: { readonly kind: string; readonly name: string; readonly namespace?: string };
  /** The event reason of a decision; the verb of a write. */
  readonly reason: string;
  readonly message: string;
  /** For writes: whether the API server accepted it. */
  readonly outcome?: 'done' | 'refused';
  /** For writes: the patch as JSON, where it is short. */
  readonly change?: string;
}

export type AuditNote = Omit<AuditEntry, 'id' | 'time'>;

/** Records notes. Returns at once; a failure to deliver an entry is not the caller's concern. */
export interface Audit {
  note(note: AuditNote): void;
}

/** A destination for entries besides the log. */
export interface AuditSink {
  add(entry: AuditEntry): void;
}

const MAX_MESSAGE = 1024;

export const createAudit = (o: {
  readonly log: Logger;
  readonly now: () => number;
  readonly sink?: AuditSink;
}): Audit => {
  const log = o.log.child({ logger: 'audit' });
  return {
    note: (note) => {
      const message = note.message.slice(0, MAX_MESSAGE);
      const entry = { id: randomUUID(), time: new Date(o.now()).toISOString(), ...note, message };
      log.info(entry, 'audit');
      o.sink?.add(entry);
    },
  };
};

export const objectRef = (resource: Resource, object: KubeObject): AuditEntry['object'] => ({
  kind: resource.kind,
  name: object.metadata.name,
  ...(object.metadata.namespace && { namespace: object.metadata.namespace }),
});

/** A recorder that notes each event as a decision too. */
export const createAuditedRecorder = (recorder: Recorder, audit: Audit): Recorder => ({
  event: (resource, object, type, reason, message) => {
    audit.note({ kind: 'decision', object: objectRef(resource, object), reason, message });
    recorder.event(resource, object, type, reason, message);
  },
  flush: () => recorder.flush(),
});
