import type { NodeClaim, Pod } from '../../api/objects.ts';
import { destinationName, destinationOf } from '../../api/plans.ts';
import { isReschedulable } from '../../api/pods.ts';
import { NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { ignoreNotFoundOrConflict } from '../../kube/ignore.ts';
import { type Caches, nodeOf } from '../caches.ts';
import { readBufferPods } from '../capacitybuffers/pods.ts';
import { catalogueFor, MADE_BY } from '../continuous/decide.ts';
import { PLANNING_TIMEOUT_MS, type PlanSearchOptions, searchSettings } from '../plansearch.ts';
import { type PartsAnswer, planInParts } from '../rebalanceplanclaim/planparts.ts';
import { storePlans } from '../rebalanceplanclaim/storeplans.ts';
import { gatherSnapshot } from '../snapshot.ts';
import {
  type EvictorState,
  evictorPlan,
  nodesToDrain,
  type Selection,
  selectNodes,
  skipReason,
} from './decide.ts';
import { readEvictionRequests } from './evictionrequests.ts';
import { EVICTOR, plansToPrune, plansToWithdraw, withoutWayBack } from './moves.ts';
import type { EvictorSettings } from './settings.ts';
import type { Outcome } from './status.ts';

/** Searches of one cycle, each within the nodes that the one before left. */
const MAX_SEARCHES = 3;

const nothing = (message: string, skipped: Outcome['skipped'] = []): Outcome => ({
  result: 'nothing',
  message,
  plans: [],
  nodes: [],
  skipped,
});

/** NodeClaims by the name of their node, in both directions. */
const pairsOf = (caches: Caches) => {
  const claims = new Map<string, NodeClaim>();
  const nodes = new Map<string, string>();
  for (const claim of caches.nodeClaims.list()) {
    const node = nodeOf(caches, claim)?.metadata.name;
    if (node === undefined) continue;
    claims.set(node, claim);
    nodes.set(claim.metadata.name, node);
  }
  return { claims, nodes };
};

const planNameOf =
  (now: number) =>
  (part: number): string =>
    `${EVICTOR}-${Math.round(now / 1000)}${part > 1 ? `-p${part}` : ''}`;

/** The plans that drain nodes of these, and no more than may go together. */
const search = async (
  o: PlanSearchOptions,
  settings: EvictorSettings,
  state: EvictorState,
  selection: Selection,
  buffers: readonly Pod[],
): Promise<PartsAnswer> => {
  const gathered = withoutWayBack(gatherSnapshot(o.caches));
  // Karpenter would buy again what a CapacityBuffer loses.
  const snapshot = { ...gathered, pods: [...gathered.pods, ...buffers] };
  const catalogue = catalogueFor({ mode: 'drain-only' }, await o.catalogue());
  const { nodes: nodeNames } = pairsOf(o.caches);
  const skippedNodes: PartsAnswer['skippedNodes'][number][] = [];
  let scope = selection.candidates;
  for (let searches = 1; ; searches += 1) {
    const answer = await planInParts(
      {
        snapshot,
        catalogue,
        now: state.now,
        ...searchSettings(o),
        planName: planNameOf(state.now)(1),
        scope: { nodeNames: [...scope] },
        constraints: { minAgeSeconds: Math.ceil(settings.nodeGraceMs / 1000) },
        aggressive: { ignoreBlockingPDB: settings.ignorePodDisruptionBudgets },
        evictAs: selection.evictAs,
      },
      {
        planning: o.planning,
        planNameOf: planNameOf(state.now),
        timeoutMs: PLANNING_TIMEOUT_MS,
        now: o.clock.now,
        signal: o.signal,
      },
    );
    skippedNodes.push(...answer.skippedNodes);
    const removed = answer.plans
      .flatMap(({ spec }) => spec.nodeClaimsToDelete ?? [])
      .flatMap(({ nodeClaimName }) => nodeNames.get(nodeClaimName) ?? []);
    const chosen = nodesToDrain(removed, settings, state);
    if (chosen.length === removed.length) return { ...answer, skippedNodes };
    const rest = removed.filter((name) => !chosen.includes(name));
    const reasons = ['other nodes are drained before it, in this cycle'];
    skippedNodes.push(...rest.map((name) => ({ name, reasons })));
    if (chosen.length === 0 || searches === MAX_SEARCHES) {
      return { ...answer, plans: [], skippedNodes, reason: 'no node may go beside the others' };
    }
    scope = chosen;
  }
};

/** Where the pods of a node go, as 'node (pods)'. */
const waysOf = (
  plans: PartsAnswer['plans'],
  from: string,
  nodeNames: ReadonlyMap<string, string>,
): string => {
  const counts = new Map<string, number>();
  for (const move of plans.flatMap(({ spec }) => spec.podsToMigrate ?? [])) {
    if (move.srcNode !== from) continue;
    const destination = destinationOf(move);
    const to = nodeNames.get(destination) ?? destinationName(destination);
    counts.set(to, (counts.get(to) ?? 0) + 1);
  }
  return [...counts].map(([to, pods]) => `${to} (${pods})`).join(', ');
};

/**
 * Runs one cycle: looks for nodes to drain, and makes plans that drain them, or says in a dry run what it found. Settings
 * that change during the search count before anything is drained.
 */
export const runCycle = async (
  o: PlanSearchOptions,
  settings: EvictorSettings,
  settingsNow: () => EvictorSettings = () => settings,
): Promise<Outcome> => {
  const { caches, client, recorder, signal } = o;
  const now = o.clock.now();
  // 1. Delete what is over, and decide whether to look.
  const old = [
    ...plansToPrune(caches.plans.list(), now, settings.cooldownMs),
    ...(settings.enabled && !settings.dryRun ? [] : plansToWithdraw(caches.plans.list())),
  ];
  for (const plan of old) {
    const { name, uid, resourceVersion } = plan.metadata;
    // A plan that starts meanwhile has another version, and goes on.
    const as = { ...(uid && { uid }), ...(resourceVersion && { resourceVersion }) };
    await client.delete(REBALANCE_PLANS, { name }, { ...as, signal }).catch(ignoreNotFoundOrConflict);
  }
  const state: EvictorState = {
    plans: caches.plans.list(),
    nodes: caches.nodes.list(),
    podsOn: (node) => caches.pods.by('node', node),
    now,
  };
  const reason = skipReason(settings, state);
  if (reason) return nothing(reason);
  // 2. Find nodes, by the evictor's settings and by the planner's rules.
  const selection = selectNodes(settings, { ...state, requests: await readEvictionRequests(client, signal) });
  if (selection.candidates.length === 0) return nothing('no node may be drained', selection.skipped);
  const buffers = await readBufferPods(o);
  if (buffers.problem !== undefined) return nothing(buffers.problem, selection.skipped);
  const answer = await search(o, settings, state, selection, buffers.pods);
  const skipped = [...selection.skipped, ...answer.skippedNodes];
  if (answer.plans.length === 0) {
    return nothing(answer.reason ?? 'the pods of no node fit on other nodes', skipped);
  }
  const { nodes: nodeNames } = pairsOf(caches);
  const nodes = answer.plans
    .flatMap(({ spec }) => spec.nodeClaimsToDelete ?? [])
    .flatMap(({ nodeClaimName }) => nodeNames.get(nodeClaimName) ?? [])
    .map((name) => ({ name, pods: state.podsOn(name).filter(isReschedulable).length }));
  const names = nodes.map(({ name }) => name).join(', ');
  const moved = nodes.reduce((sum, { pods }) => sum + pods, 0);
  // 3. Say what would be drained, or drain it.
  if (JSON.stringify(settingsNow()) !== JSON.stringify(settings)) {
    return nothing('the settings have changed during the search', skipped);
  }
  if (settings.dryRun) {
    for (const { name, pods } of nodes) {
      const node = caches.nodes.get(name);
      const ways = waysOf(answer.plans, name, nodeNames);
      const message = `The evictor would drain this node of ${pods} pods${ways && `, to ${ways}`}`;
      if (node) recorder.event(NODES, node, 'Normal', 'EvictorDryRun', message);
    }
    return { result: 'dry-run', message: `would drain ${names}, ${moved} pods`, plans: [], nodes, skipped };
  }
  const plans = answer.plans.map(({ spec, savings }, at) => ({
    plan: {
      metadata: { name: planNameOf(now)(at + 1), labels: { [MADE_BY]: EVICTOR } },
      spec: evictorPlan(spec, settings, selection.evictAs),
    },
    savings,
  }));
  for (const plan of await storePlans(client, plans, signal)) {
    const message = `Draining ${names}: their ${moved} pods fit on other nodes`;
    recorder.event(REBALANCE_PLANS, plan, 'Normal', 'Evictor', message);
  }
  const planNames = plans.map(({ plan }) => plan.metadata.name);
  return { result: 'planned', message: `drains ${names}, ${moved} pods`, plans: planNames, nodes, skipped };
};
