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
import { isUnserved, KubeError, messageOf } from '../kube/errors.ts';
import type { FoundOutside } from '../kube/preflight/facts.ts';
import { findOutside, OUR_SELECTOR } from '../kube/preflight/installed.ts';
import { undoAll } from '../kube/undo/apply.ts';
import { decideUndo } from '../kube/undo/decide.ts';
import { createGuards, type Guards } from '../kube/undo/guards.ts';
import { takeInventory } from '../kube/undo/inventory.ts';
import {
  namespaceOf,
  outsideSteps,
  removalCommands,
  removalWithin,
  unmarkedOutside,
  unreadOutside,
} from '../kube/undo/outside.ts';
import { type Flags, UsageError } from './flags.ts';
import type { Outcome } from './outcome.ts';

/** `uninstall`: undoes what precision-packer did to a cluster, from the marks on its objects alone. */

export const UNINSTALL_FLAGS = ['kubeconfig', 'namespace'];
export const UNINSTALL_SWITCHES = ['yes'];

const LONGEST_MS = 120_000;
/** Exit code when something is left to undo. */
const LEFT = 5;

interface Input {
  readonly client: KubeClient;
  readonly flags: Flags;
  readonly now: () => number;
}

/** Our components with a pod that works, by namespace: each of them would do again what is undone, wherever it runs. */
const runningComponents = async (
  client: KubeClient,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly string[]>> => {
  const names = [KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER];
  const { items } = await client.list(PODS, { labelSelector: `app in (${names.join(',')})`, signal });
  const working = items.filter((pod) => isPodReady(pod) && !isTerminating(pod));
  const byNamespace = Map.groupBy(working, ({ metadata }) => metadata.namespace ?? '');
  return new Map(
    [...byNamespace].map(([namespace, pods]) => [
      namespace,
      names.filter((name) => pods.some(({ metadata }) => metadata.labels?.app === name)),
    ]),
  );
};

/** Why nothing is undone while components run; undefined where none does. */
const refusalOf = (
  running: ReadonlyMap<string, readonly string[]>,
  namespace: string,
): string | undefined => {
  if (running.size === 0) return undefined;
  const others = [...running.keys()].filter((each) => each !== namespace).sort();
  const where = [namespace, ...others].flatMap((each) => {
    const names = running.get(each) ?? [];
    const verb = names.length === 1 ? 'runs' : 'run';
    return names.length === 0 ? [] : [`${names.join(', ')} still ${verb} in namespace ${each}`];
  });
  const other =
    others.length === 0
      ? ''
      : ` An installation elsewhere has its plans and policies in the same cluster: to remove that one, give ${others.map((each) => `--namespace=${each}`).join(' or ')}.`;
  return `${where.join(', ')}: delete the Deployments or scale them to 0 first, which undoes running plans as well.${other}`;
};

/** NodeClaims that Karpenter is ending, with their machines. */
const endingClaims = async (client: KubeClient, signal: AbortSignal): Promise<readonly string[]> => {
  try {
    const { items } = await client.list(NODE_CLAIMS, { labelSelector: PLAN, signal });
    return items.filter(({ metadata }) => metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  } catch (error) {
    if (!isUnserved(error)) throw error;
    return [];
  }
};

const linesOf = (title: string, lines: readonly string[]): readonly string[] =>
  lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];

/** What there is to undo, one line an object. */
const survey = async (
  { client, now }: Input,
  guards: Guards,
  outside: FoundOutside,
  signal: AbortSignal,
): Promise<{ readonly lines: readonly string[]; readonly unread: readonly string[] }> => {
  const inventory = await takeInventory(client, signal);
  const { ends, undo, finalizers } = decideUndo(inventory, now());
  const raised = await guards.raised(signal);
  return {
    lines: [
      ...[...outsideSteps(outside.there), ...ends, ...undo, ...finalizers].map(
        ({ object, what }) => `${object}: ${what}`,
      ),
      ...raised.map((guard) => `${guard}: remove its finalizer`),
    ],
    unread: [...inventory.unread, ...unreadOutside(outside).acting],
  };
};

const undo = async (
  { client, now }: Input,
  guards: Guards,
  outside: FoundOutside,
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const first = outsideSteps(outside.there);
  const undone = await undoAll(client, { timeoutMs: LONGEST_MS, now, signal, first });
  const left = [...unreadOutside(outside).acting, ...undone.left];
  try {
    await guards.lower(signal);
    return left;
  } catch (error) {
    return [...left, `The finalizers of the rights to undo plans are left: ${messageOf(error)}`];
  }
};

/** How to remove what is installed, where the folder or release is not at hand as well. Others may share the namespace. */
const removal = ({ there }: FoundOutside, namespace: string): readonly string[] => {
  const commands = removalCommands(there);
  const state = namespaceOf(there);
  const isInstalled = commands.length > 0 || state === 'marked';
  return [
    ...(isInstalled
      ? [
          `Installed objects stay: remove them with helm uninstall, or with kubectl delete --ignore-not-found -k and the folder that was applied, such as dist/kustomize or one of its overlays, which deletes the namespace ${namespace} with all that is in it.`,
        ]
      : []),
    ...linesOf(`Where neither is at hand, these remove all that is outside of ${namespace}:`, commands),
    ...(isInstalled && state !== 'gone'
      ? linesOf(`This removes what is ours in ${namespace}, and nothing else:`, [removalWithin(namespace)])
      : []),
    ...(state === 'marked'
      ? linesOf(
          `Namespace ${namespace} is marked as ours, but what else is in it was not looked at and would go with it; where nobody else uses it:`,
          [`kubectl delete --ignore-not-found namespaces ${namespace}`],
        )
      : []),
    ...linesOf(`Not marked as ours by the label ${OUR_SELECTOR}, so left alone:`, unmarkedOutside(there)),
  ];
};

/** Lists what is to undo; with --yes undoes it and says what is left. Throws UsageError. */
export const uninstallCommand = async (input: Input): Promise<Outcome> => {
  const { client, flags } = input;
  const isMeant = flags.values.get('yes') === 'true';
  const namespace = flags.values.get('namespace') ?? INSTALL_NAMESPACE;
  const signal = AbortSignal.timeout(2 * LONGEST_MS);
  const guards = createGuards(client, { namespace, name: KENTROLLER, lease: KENTROLLER });
  try {
    const refusal = refusalOf(await runningComponents(client, signal), namespace);
    if (isMeant && refusal !== undefined) throw new UsageError(refusal);
    const outside = await findOutside({ client, signal }, namespace);
    const unseen = unreadOutside(outside).others;
    const { lines, unread } = await survey(input, guards, outside, signal);
    const found =
      lines.length === 0 ? ['Nothing of precision-packer is left to undo.'] : linesOf('To undo:', lines);
    if (!isMeant) {
      const hint = lines.length > 0 ? ['Nothing was changed: run it again with --yes.'] : [];
      const err = [...(refusal === undefined ? [] : [refusal]), ...unread, ...unseen];
      return {
        out: `${[...found, ...hint, ...removal(outside, namespace)].map(printable).join('\n')}\n`,
        err,
        code: unread.length > 0 ? LEFT : 0,
      };
    }
    const left = await undo(input, guards, outside, signal);
    const ending = await endingClaims(client, signal);
    const out = [
      ...found,
      ...(left.length === 0 ? ['All of it is undone.'] : []),
      ...linesOf('Karpenter is ending these NodeClaims and their machines:', ending),
      ...removal(outside, namespace),
    ];
    return {
      out: `${out.map(printable).join('\n')}\n`,
      err: [...linesOf('Not undone:', left), ...unseen],
      code: left.length > 0 ? LEFT : 0,
    };
  } catch (error) {
    if (error instanceof KubeError) throw new UsageError(`${messageOf(error)}.`, { cause: error });
    throw error;
  }
};
