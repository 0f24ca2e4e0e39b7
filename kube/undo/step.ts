import type { Pod } from '../../api/objects.ts';
import type { Resource } from '../../api/resources.ts';
import type { Ref } from '../client/requestoptions.ts';

/** One write of the clean-up. */
export type UndoWrite =
  | {
      readonly kind: 'patch';
      readonly resource: Resource;
      readonly ref: Ref;
      readonly body: object;
      readonly subresource?: 'status';
    }
  | {
      readonly kind: 'delete';
      readonly resource: Resource;
      readonly ref: Ref;
      readonly uid?: string;
      readonly isAtOnce?: boolean;
    }
  | { readonly kind: 'release-gate' | 'replace-pod'; readonly pod: Pod };

/** A write with what it undoes, for people: `Node ip-1: uncordon, remove the taint`. */
export type UndoStep = UndoWrite & { readonly object: string; readonly what: string };
