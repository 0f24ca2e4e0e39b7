import type { FoundObject, FoundOutside } from '../preflight/facts.ts';
import type { UndoStep } from './step.ts';

/** What is undone of installed objects that deleting a folder or a release may not have reached. */

/** Kinds by which the API server goes on changing objects of others when all our components are gone. */
const ACTING: ReadonlySet<string> = new Set(['MutatingAdmissionPolicyBinding', 'MutatingAdmissionPolicy']);

/** Deletes what acts by itself; all else does nothing without us, and is left to whoever installed it. */
export const outsideSteps = (there: readonly FoundObject[]): readonly UndoStep[] =>
  there
    .filter(({ resource }) => ACTING.has(resource.kind))
    .map(({ resource, ref, object }): UndoStep => {
      const { uid } = object.metadata;
      return {
        kind: 'delete',
        resource,
        ref,
        ...(uid && { uid }),
        object: `${resource.kind} ${ref.name}`,
        what: 'delete it: by it the API server goes on changing pods when all of ours is gone',
      };
    });

/** What could not be read, one line a kind: of what acts by itself, and of the rest. */
export const unreadOutside = ({
  unread,
}: FoundOutside): { readonly acting: readonly string[]; readonly others: readonly string[] } => {
  const of = (isActing: boolean): readonly string[] =>
    unread.filter(({ kind }) => ACTING.has(kind) === isActing).map(({ message }) => message);
  return { acting: of(true), others: of(false) };
};

/** Commands that remove the others, one for each kind and namespace. */
export const removalCommands = (there: readonly FoundObject[]): readonly string[] => {
  const others = there.filter(({ resource }) => !ACTING.has(resource.kind));
  const targets = Map.groupBy(others, ({ resource: { plural, group }, ref: { namespace } }) =>
    [
      ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
      group === '' ? plural : `${plural}.${group}`,
    ].join(' '),
  );
  return [...targets].map(
    ([target, objects]) =>
      `kubectl delete --ignore-not-found ${target} ${objects.map(({ ref }) => ref.name).join(' ')}`,
  );
};
