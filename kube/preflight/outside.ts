import { again } from './again.ts';
import { type Check, checkFound, type Found, fine, lacks, listed, note, unknown } from './check.ts';
import type { DeploymentObject, FoundObject, FoundOutside } from './facts.ts';
import { byPart, isMarkedAsOurs, OUR_SELECTOR, objectText } from './installed.ts';

/** What an installation has outside of its namespace: what else is checked one by one is not told again here. */

const TOLD: ReadonlySet<string> = new Set([
  'CustomResourceDefinition',
  'Namespace',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'MutatingWebhookConfiguration',
]);

/** Mutating policies without a binding, and bindings without their policy: neither does anything. Not what could not be read. */
const halvesOf = ({ there, missing }: FoundOutside): readonly FoundObject[] => {
  const POLICY = 'MutatingAdmissionPolicy';
  const BINDING = 'MutatingAdmissionPolicyBinding';
  const isGone = (kind: string, name: string): boolean =>
    missing.some(({ resource, ref }) => resource.kind === kind && ref.name === name);
  return there.filter(
    ({ resource: { kind }, ref: { name } }) =>
      (kind === POLICY && isGone(BINDING, name)) || (kind === BINDING && isGone(POLICY, name)),
  );
};

const judge = (
  found: FoundOutside,
  deployments: readonly DeploymentObject[],
): readonly Omit<Check, 'name'>[] => {
  const missing = found.missing.filter(({ resource, isOptional }) => !isOptional && !TOLD.has(resource.kind));
  const optional = found.there.filter(({ isOptional }) => isOptional);
  const halves = halvesOf(found);
  return [
    ...found.unread.map(({ message }) => unknown(`${message}.`)),
    ...halves.map((half) =>
      lacks(
        `${objectText(half)} does nothing, since its other half is not there: ${again(half.part, deployments)}.`,
      ),
    ),
    ...byPart(missing).map(([part, objects]) =>
      note(
        `${listed(objects.map(objectText), 3)} ${objects.length === 1 ? 'is' : 'are'} not there: where you did not leave that out, ${again(part, deployments)}.`,
      ),
    ),
    ...(halves.length === 0 && missing.length === 0 && found.unread.length === 0
      ? [
          fine(
            optional.length === 0
              ? 'What a stock installation has outside of its namespace is there.'
              : `What a stock installation has outside of its namespace is there, and besides ${listed(optional.map(objectText))}.`,
          ),
        ]
      : []),
  ];
};

/** Once something is installed: what is missing, and what is there in halves. The Deployments tell how to mend it. */
export const checkOutside = (
  found: Found<FoundOutside>,
  deployments: readonly DeploymentObject[],
): readonly Check[] =>
  checkFound('objects', 'What is installed outside of our namespace', found, (outside) =>
    judge(outside, deployments),
  );

/** Where none of our Deployments is there: what somebody has left, or has installed ahead. A namespace may be shared, so it says nothing. */
export const checkLeftOver = (found: Found<FoundOutside>): readonly Check[] =>
  checkFound('left-over', 'What is left of an installation', found, ({ there }) => {
    const named = there.filter(({ resource }) => resource.kind !== 'Namespace');
    const [foreign = [], ours = []] = [false, true].map((isOurs) =>
      named.filter((one) => isMarkedAsOurs(one) === isOurs),
    );
    return [
      ...(ours.length > 0
        ? [
            note(
              `${listed(ours.map(objectText), 3)} ${ours.length === 1 ? 'is' : 'are'} there without our Deployments: of the chart precision-packer-crds, or left over, for which precision-packer uninstall has the commands.`,
            ),
          ]
        : []),
      ...(foreign.length > 0
        ? [
            note(
              `${listed(foreign.map(objectText), 3)} ${foreign.length === 1 ? 'has a name' : 'have names'} of ours and ${foreign.length === 1 ? 'is' : 'are'} not marked as ours (${OUR_SELECTOR}): look whose ${foreign.length === 1 ? 'it is' : 'they are'}, since an installation would write over ${foreign.length === 1 ? 'it' : 'them'}.`,
            ),
          ]
        : []),
    ];
  });
