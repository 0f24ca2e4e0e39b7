import type { Resource } from '../../api/resources.ts';
import type { FoundObject, FoundOutside } from '../preflight/facts.ts';
import { installedObjects, isMarkedAsOurs, OUR_SELECTOR, objectText } from '../preflight/installed.ts';
import type { UndoStep } from './step.ts';

/** What is undone of installed objects that deleting a folder or a release may not have reached. */

/** Kinds by which the API server goes on changing objects of others when all our components are gone. */
const ACTING: ReadonlySet<string> = new Set(['MutatingAdmissionPolicyBinding', 'MutatingAdmissionPolicy']);

const isNamespace = ({ resource }: FoundObject): boolean => resource.kind === 'Namespace';

/** Deletes what acts by itself and is marked as ours; all else does nothing without us, and is left to whoever installed it. */
export const outsideSteps = (there: readonly FoundObject[]): readonly UndoStep[] =>
  there
    .filter((one) => ACTING.has(one.resource.kind) && isMarkedAsOurs(one))
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

const nameOfKind = ({ plural, group }: Resource): string => (group === '' ? plural : `${plural}.${group}`);

/** Commands that remove the others that are marked as ours, one for each kind and namespace; never a namespace. */
export const removalCommands = (there: readonly FoundObject[]): readonly string[] => {
  const others = there.filter(
    (one) => isMarkedAsOurs(one) && !ACTING.has(one.resource.kind) && !isNamespace(one),
  );
  const targets = Map.groupBy(others, ({ resource, ref: { namespace } }) =>
    [...(namespace === undefined ? [] : [`--namespace=${namespace}`]), nameOfKind(resource)].join(' '),
  );
  return [...targets].map(
    ([target, objects]) =>
      `kubectl delete --ignore-not-found ${target} ${objects.map(({ ref }) => ref.name).join(' ')}`,
  );
};

/** Whether our namespace is there, and marked as ours; an installation marks one that it shares with others as well. */
export const namespaceOf = (there: readonly FoundObject[]): 'gone' | 'marked' | 'unmarked' => {
  const namespace = there.find(isNamespace);
  if (!namespace) return 'gone';
  return isMarkedAsOurs(namespace) ? 'marked' : 'unmarked';
};

/** What has a name of ours without our mark, as texts. */
export const unmarkedOutside = (there: readonly FoundObject[]): readonly string[] =>
  there.filter((one) => !isMarkedAsOurs(one)).map(objectText);

/** Groups that every API server serves: kubectl removes nothing at all where one kind of a command is not served. */
const BUILT_IN = /^[^.]*$|\.k8s\.io$/;

/** The command that removes ours from a namespace and leaves all else in it. */
export const removalWithin = (namespace: string): string => {
  const kinds = installedObjects(namespace)
    .filter(({ resource, ref }) => ref.namespace === namespace && BUILT_IN.test(resource.group))
    .map(({ resource }) => nameOfKind(resource));
  return `kubectl delete --ignore-not-found --namespace=${namespace} --selector=${OUR_SELECTOR} ${[...new Set(kinds)].join()}`;
};
