import {
  INSTALL_NAMESPACE,
  KENTROLLER,
  PLAN,
  POD_PINNER,
  POD_PINNER_WEBHOOK,
  POD_PINNER_WEBHOOK_KEEPER,
} from '../api/labels.ts';
import { isPodReady, isTerminating } from '../api/pods.ts';
import { NODE_CLAIMS, PODS } from '../api/resources.ts';
import { printable } from '../api/text/printable.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { isNotFound, KubeError, messageOf } from '../kube/errors.ts';
import { undoAll } from '../kube/undo/apply.ts';
import { decideUndo } from '../kube/undo/decide.ts';
import { createGuards, type Guards } from '../kube/undo/guards.ts';
import { takeInventory } from '../kube/undo/inventory.ts';
import { type Flags, UsageError } from './flags.ts';
import type { Outcome } from './outcome.ts';

/** `uninstall`: undoes what precision-packer did to a cluster, from the marks on its objects alone. */

const LONGEST_MS = 120_000;
/** Exit code when something is left to undo. */
const LEFT = 5;

interface Input {
  readonly client: KubeClient;
  readonly flags: Flags;
  readonly now: () => number;
}

/** Our components with a pod that works: it would do again what is undone. */
const runningComponents = async (
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const names = [KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER];
  const labelSelector = `app in (${names.join(',')})`;
  const { items } = await client.list(PODS, { namespace, labelSelector, signal });
  const working = items.filter((pod) => isPodReady(pod) && !isTerminating(pod));
  return names.filter((name) => working.some(({ metadata }) => metadata.labels?.app === name));
};

/** NodeClaims that Karpenter is ending, with their machines. */
const endingClaims = async (client: KubeClient, signal: AbortSignal): Promise<readonly string[]> => {
  try {
    const { items } = await client.list(NODE_CLAIMS, { labelSelector: PLAN, signal });
    return items.filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return [];
  }
};

const linesOf = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];

/** What there is to undo, one line an object. */
const survey = async (
  { client, now }: Input,
  guards: Guards,
  signal: AbortSignal,
): Promise<{ readonly lines: readonly string[]; readonly unread: readonly string[] }> => {
  const inventory = await takeInventory(client, signal);
  const { ends, undo, finalizers } = decideUndo(inventory, now());
  const raised = await guards.raised(signal);
  return {
    lines: [
      ...[...ends, ...undo, ...finalizers].map(({ object, what }) => `${object}: ${what}`),
      ...raised.map((guard) => `${guard}: remove its finalizer`),
    ],
    unread: inventory.unread,
  };
};

const undo = async (
  { client, now }: Input,
  guards: Guards,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const { left } = await undoAll(client, { timeoutMs: LONGEST_MS, now, signal });
  try {
    await guards.lower(signal);
    return left;
  } catch (error) {
    return [...left, `The finalizers of the rights to undo plans are left: ${messageOf(error)}`];
  }
};

const HOW_TO_GO_ON =
  'Installed objects stay: remove them with kubectl delete --ignore-not-found -k and the folder that was applied, such as manifests/base or an overlay';

/** Lists what is to undo; with --yes undoes it and says what is left. Throws UsageError. */
export const uninstallCommand = async (input: Input): Promise<Outcome> => {
  const { client, flags } = input;
  const isMeant = flags.values.get('yes') === 'true';
  const namespace = flags.values.get('namespace') ?? INSTALL_NAMESPACE;
  const signal = AbortSignal.timeout(2 * LONGEST_MS);
  const guards = createGuards(client, { namespace, name: KENTROLLER, lease: KENTROLLER });
  try {
    const running = await runningComponents(client, namespace, signal);
    const isAre = running.length === 1 ? 'runs' : 'run';
    const refusal = `${running.join(', ')} still ${isAre} in namespace ${namespace}: delete the Deployments or scale them to 0 first, which undoes running plans as well.`;
    if (isMeant && running.length > 0) throw new UsageError(refusal);
    const { lines, unread } = await survey(input, guards, signal);
    const found =
      lines.length === 0 ? ['Nothing of precision-packer is left to undo.'] : linesOf('To undo:', lines);
    if (!isMeant) {
      const hint = lines.length > 0 ? ['Nothing was changed: run it again with --yes.'] : [];
      const err = [...(running.length > 0 ? [refusal] : []), ...unread];
      return {
        out: `${[...found, ...hint].map(printable).join('\n')}\n`,
        err,
        code: unread.length > 0 ? LEFT : 0,
      };
    }
    const left = await undo(input, guards, signal);
    const ending = await endingClaims(client, signal);
    const out = [
      ...found,
      ...(left.length === 0 ? ['All of it is undone.'] : []),
      ...linesOf('Karpenter is ending these NodeClaims and their machines:', ending),
      HOW_TO_GO_ON,
    ];
    return {
      out: `${out.map(printable).join('\n')}\n`,
      err: linesOf('Not undone:', left),
      code: left.length > 0 ? LEFT : 0,
    };
  } catch (error) {
    if (error instanceof KubeError) throw new UsageError(`${messageOf(error)}.`, { cause: error });
    throw error;
  }
};
