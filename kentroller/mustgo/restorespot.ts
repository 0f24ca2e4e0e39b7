import type { Registry } from 'prom-client';
import { SPOT_FALLBACK } from '../../api/labels.ts';
import type { Node } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { NODES } from '../../api/resources.ts';
import { counter } from '../../kube/component/metrics.ts';
import { updateIfThere } from '../../kube/update.ts';
import { type Catalogue, sellingOnly } from '../../planner/model/catalogue.ts';
import { capacityTypeOf } from '../../planner/model/standingmachine.ts';
import type { PolicyRecord } from '../policies/record.ts';
import { scopeHold } from '../policies/scopehold.ts';
import type { PoliciesNow } from '../policies/settings.ts';
import { FIELD_MANAGER } from '../rebalanceplan/create/unavailable.ts';
import { FALLBACK, fallbackNodes } from './fallback.ts';
import { machinesOf } from './machines.ts';
import type { Refused } from './refusals.ts';
import { repeatRounds } from './repeat.ts';
import { NOTHING, type RoundOptions, type RoundOutcome, replaceNodes, tidyPlans } from './round.ts';

/** Finished plans tell which nodes were tried already for so long. */
const KEPT_MS = 24 * 3_600_000;

/** The period between two tries, while the policies say that on-demand nodes stand in for spot. */
const periodOf = (now: PoliciesNow): number | undefined =>
  now.known ? now.policies.spotInstances?.backups?.restoreEveryMs : undefined;

const NO_BACKUPS = 'spotBackups.enabled is not true, and on-demand nodes that stand in for spot stay';

/** What else of the policy plans keep to that buy spot; undefined where it is as cheap as can be. */
const buyingOf = (now: PoliciesNow): string | undefined => {
  const policies = now.known ? now.policies : undefined;
  const spot = policies?.spotInstances;
  const kept = [
    ...(spot?.interruptionTolerance === 'leastInterrupted' ? ['what was interrupted least is bought'] : []),
    ...(spot && policies?.unschedulablePods
      ? ['pods without a node that ask for spot are bought onto it']
      : []),
    ...(spot?.diversity ? ['workloads are spread over spot pools'] : []),
    ...(policies?.spotPods ? ['new pods are sent to spot or on-demand by rules'] : []),
  ];
  return kept.length > 0 ? kept.join(', and ') : undefined;
};

const spotOnly = (catalogue: Catalogue): Catalogue =>
  sellingOnly(catalogue, ({ capacityType }) => capacityType === 'spot');

const label = async ({ client, signal }: RoundOptions, { metadata }: Node): Promise<void> => {
  await updateIfThere(
    { client, resource: NODES, ref: { name: metadata.name }, fieldManager: FIELD_MANAGER, signal },
    (node) =>
      node.metadata.uid === metadata.uid && valueAt(node.metadata.labels, SPOT_FALLBACK) === undefined
        ? { metadata: { labels: { [SPOT_FALLBACK]: 'true' } } }
        : undefined,
  );
};

export interface RestoreOptions extends RoundOptions {
  /** Whether plans may start. */
  readonly isEnabled: () => boolean;
  readonly record: Pick<PolicyRecord, 'note' | 'did'>;
  readonly registry: Registry;
}

/** One look: labels nodes that stand in for spot, and plans their way back where it is time. */
export const restoreSpotNow = async (
  o: Omit<RestoreOptions, 'registry'>,
  refusals: Refused = new Map(),
): Promise<RoundOutcome> => {
  const { caches, record } = o;
  const periodNow = (): number | undefined => (o.isEnabled() ? periodOf(o.policies()) : undefined);
  const restoreEveryMs = periodNow();
  await tidyPlans(o, FALLBACK, {
    isOn: restoreEveryMs !== undefined,
    keepMs: Math.max(KEPT_MS, restoreEveryMs ?? 0),
  });
  if (restoreEveryMs === undefined) {
    const buying = buyingOf(o.policies());
    if (!o.isEnabled()) record.note('spotInstances', 'Held', 'the rebalancer is off');
    else record.note('spotInstances', buying === undefined ? 'Held' : 'Idle', buying ?? NO_BACKUPS);
    return NOTHING;
  }
  const pools = new Map(caches.nodePools.list().map((pool) => [pool.metadata.name, pool]));
  const choice = fallbackNodes(restoreEveryMs, {
    plans: caches.plans.list(),
    refusals,
    machines: machinesOf(caches, pools).filter(({ node }) => scopeHold(o.policies(), node) === undefined),
    now: o.clock.now(),
  });
  for (const node of choice.unlabelled) await label(o, node);
  record.note(
    'spotInstances',
    'Idle',
    choice.waitsFor ?? 'no on-demand node that stands in for spot waits to go back',
  );
  const outcome = await replaceNodes(o, {
    maker: FALLBACK,
    mustGo: choice.mustGo,
    chosen: choice.chosen,
    // Its pods are to end on spot, new or standing.
    closedNodes: caches.nodes
      .list()
      .filter((node) => capacityTypeOf(node) !== 'spot')
      .map(({ metadata }) => metadata.name),
    buying: spotOnly,
    why: () => 'It stands in for spot, which is tried again',
    isCurrent: () => periodNow() === restoreEveryMs,
  });
  if (outcome.plans.length > 0)
    record.did(
      'spotInstances',
      `tries spot again for ${choice.chosen.join(', ')}: ${outcome.plans.join(', ')}`,
    );
  return outcome;
};

/** Brings pods back from on-demand nodes that stand in for spot, until the signal aborts. */
export const restoreSpot = (o: RestoreOptions): Promise<void> => {
  const help = 'On-demand nodes that stand in for spot and were to go back, by whether a plan was made';
  const total = counter(o.registry, 'kentroller_spot_fallback_restores_total', help, ['result']);
  return repeatRounds(o, {
    maker: FALLBACK,
    total,
    settings: () => String(o.isEnabled() && periodOf(o.policies())),
    blocked: 'It stands in for spot and could not be replaced',
    look: (refusals) => restoreSpotNow(o, refusals),
  });
};
