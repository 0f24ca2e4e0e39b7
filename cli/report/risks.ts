import type { Pod, Volume } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';
import type { Cluster } from '../../planner/cluster/clusterview.ts';
import { budgetSelects } from '../../planner/cluster/evictionapi.ts';
import { namespaceOf } from '../../planner/scheduling/interpodaffinity.ts';
import { isMigrated } from '../../planner/scheduling/volumes/migrated.ts';
import { isAttached } from '../../planner/scheduling/volumes/shared.ts';
import { hasLocalVolume, type Volumes } from '../../planner/scheduling/volumes.ts';
import { formatSeconds, probedStart, secondsToStart, secondsToStop } from './durations.ts';
import { listed } from './listed.ts';

/** Seconds from which a start or a stop is long enough to be told. */
const LONG_SECONDS = 120;

/** Kinds of risk, the worst first. */
const RISK_KINDS = [
  'no-controller',
  'job',
  'single-replica',
  'all-at-once',
  'local-data',
  'volume',
  'long-start',
  'long-stop',
  'disruption-budget',
  'scratch-data',
  'surge',
] as const;

export type RiskKind = (typeof RISK_KINDS)[number];

/** What the move of a workload's pods may cost it. */
export interface Risk {
  readonly kind: RiskKind;
  readonly message: string;
}

/** The pods of one workload, and those of them that move. */
export interface MovingPods {
  readonly all: readonly Pod[];
  readonly moving: readonly Pod[];
  readonly willSurge: (pod: Pod) => boolean;
}

/** What becomes of the workload while its pods are away. */
const absenceRisks = ({ all, moving, willSurge }: MovingPods, isCovered: boolean): Risk[] => {
  const [first] = moving;
  if (!first) return [];
  const owner = controllerOf(first);
  if (!owner) return [{ kind: 'no-controller', message: 'nothing makes it again once it is evicted' }];
  if (owner.kind === 'Job')
    return [{ kind: 'job', message: 'what it has done is lost, and it starts again' }];
  if (all.length === 1) {
    return willSurge(first)
      ? [{ kind: 'surge', message: 'its only pod: its successor starts first' }]
      : [{ kind: 'single-replica', message: 'its only pod: it is down until its successor is ready' }];
  }
  const areTogether =
    moving.length === all.length && new Set(moving.map(({ spec }) => spec.nodeName)).size === 1;
  return areTogether && !isCovered
    ? [
        {
          kind: 'all-at-once',
          message: `all ${all.length} pods are on one node and no PodDisruptionBudget covers them, so they go at once`,
        },
      ]
    : [];
};

/** The name of a pod's volume that its old node detaches and its new one attaches; those of claims by the claim. */
const attachedName = (volume: Volume, namespace: string, volumes: Volumes): string | undefined => {
  if (isMigrated(volume)) return volume.name;
  const claimName = volume.persistentVolumeClaim?.claimName;
  const claim = volumes.claims.get(`${namespace}/${claimName}`);
  return claim && !isAttached(claim, volumes) ? undefined : claimName;
};

/** Volumes that move with the pods, and data that does not. */
const dataRisks = ({ moving }: MovingPods, { volumes }: Pick<Cluster, 'volumes'>): Risk[] => {
  const claims = new Set<string>();
  const left = new Set<string>();
  const scratch = new Set<string>();
  for (const pod of moving) {
    for (const volume of pod.spec.volumes ?? []) {
      const { name, ephemeral, emptyDir, hostPath } = volume;
      const attached = attachedName(volume, namespaceOf(pod), volumes);
      if (attached !== undefined) claims.add(attached);
      else if (hostPath) left.add(`hostPath ${hostPath.path}`);
      else if (emptyDir || ephemeral) scratch.add(name);
    }
    if (hasLocalVolume(pod, volumes)) left.add('a volume that is local to the node');
  }
  return [
    risk('volume', claims, (names, { s, are }) => `volume${s} ${names} ${are} detached and attached again`),
    risk('local-data', left, (names) => `data stays behind on the old node: ${names}`),
    risk('scratch-data', scratch, (names, { s }) => `what its scratch volume${s} ${names} holds is lost`),
  ].flat();
};

const risk = (
  kind: RiskKind,
  names: ReadonlySet<string>,
  say: (names: string, forms: { readonly s: string; readonly are: string }) => string,
): Risk[] => {
  const forms = names.size === 1 ? { s: '', are: 'is' } : { s: 's', are: 'are' };
  return names.size === 0 ? [] : [{ kind, message: say(listed([...names].sort()), forms) }];
};

/** A long start, as pods have shown it, as probes put it off, or as startup probes allow it where no pod has shown one. */
const startRisks = ({ moving }: MovingPods, shown: number | undefined): Risk[] => {
  const probed = moving.map(probedStart);
  const least = Math.max(0, ...probed.map((each) => each.least));
  const most = Math.max(0, ...probed.map((each) => each.most));
  const say = (message: string): Risk[] => [{ kind: 'long-start', message }];
  if (shown !== undefined && shown >= LONG_SECONDS)
    return say(`its pods took ${formatSeconds(shown)} to become ready`);
  if (least >= LONG_SECONDS)
    return say(`its probes let no pod be ready before ${formatSeconds(least)} have passed`);
  return shown === undefined && most >= LONG_SECONDS
    ? say(
        `its startup probe allows its pods ${formatSeconds(most)} to start, and none has shown how long it takes`,
      )
    : [];
};

/** How bad the worst of some risks is; the more, the worse. */
export const severityOf = (risks: readonly Risk[]): number =>
  Math.max(0, ...risks.map(({ kind }) => RISK_KINDS.length - RISK_KINDS.indexOf(kind)));

/** What a workload's move risks, the worst first. */
export const risksOf = (
  pods: MovingPods,
  cluster: Pick<Cluster, 'snapshot' | 'volumes'>,
): readonly Risk[] => {
  const budgets = cluster.snapshot.podDisruptionBudgets.filter((budget) =>
    pods.moving.some((pod) => budgetSelects(budget, pod)),
  );
  const stop = Math.max(0, ...pods.moving.map(secondsToStop));
  const risks = [
    ...absenceRisks(pods, budgets.length > 0),
    ...dataRisks(pods, cluster),
    ...budgets.map(({ metadata, status }): Risk => {
      const allowed = status?.disruptionsAllowed;
      const does =
        allowed === undefined
          ? 'covers them'
          : allowed === 0
            ? 'lets none go now'
            : `lets ${allowed} pod${allowed === 1 ? '' : 's'} go at a time now`;
      return { kind: 'disruption-budget', message: `PodDisruptionBudget ${metadata.name} ${does}` };
    }),
    ...startRisks(pods, secondsToStart(pods.all)),
    ...(stop >= LONG_SECONDS
      ? [{ kind: 'long-stop' as const, message: `its pods may take ${formatSeconds(stop)} to stop` }]
      : []),
  ];
  return risks.sort((a, b) => RISK_KINDS.indexOf(a.kind) - RISK_KINDS.indexOf(b.kind));
};
