import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { KubeObject } from '../../api/objects.ts';

/** One write, as the API server's audit log has it. */
export interface AuditEvent {
  readonly auditID: string;
  /** How much the log has of it; with Metadata alone, nothing that was read or written. */
  readonly level: 'Metadata' | 'Request' | 'RequestResponse';
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: {
    readonly resource: string;
    readonly namespace?: string;
    readonly name?: string;
    readonly subresource?: string;
  };
  readonly requestURI: string;
  readonly responseStatus?: { readonly code?: number };
  readonly requestObject?: unknown;
  readonly responseObject?: KubeObject & { readonly kind?: string };
  /** RFC 3339 with microseconds; as text they sort by time. */
  readonly requestReceivedTimestamp: string;
  readonly stageTimestamp: string;
}

export const sizeOf = (file: string): number => (existsSync(file) ? statSync(file).size : 0);

/** The successful writes since that size of the file, in the order of their ends; dry runs and requests without objects are left out. */
export const readAudit = (file: string, since: number): readonly AuditEvent[] => {
  const handle = openSync(file, 'r');
  try {
    const { size } = fstatSync(handle);
    if (size < since) throw new Error(`${file} was rotated during the test`);
    const bytes = Buffer.alloc(size - since);
    readSync(handle, bytes, 0, bytes.length, since);
    // The last line may be half written.
    const lines = bytes.toString('utf8').split('\n').slice(0, -1);
    return lines
      .map((line): AuditEvent => JSON.parse(line))
      .filter(
        ({ level, responseStatus: { code = 0 } = {}, requestURI }) =>
          level !== 'Metadata' && code >= 200 && code < 300 && !requestURI.includes('dryRun='),
      )
      .sort((a, b) => (a.stageTimestamp < b.stageTimestamp ? -1 : 1));
  } finally {
    closeSync(handle);
  }
};
