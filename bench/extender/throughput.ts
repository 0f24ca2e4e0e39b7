import type { OwnerReference } from '../../api/objects.ts';
import type { Bed } from '../support/bed.ts';
import type { Child } from '../support/child.ts';
import {
  Bindings,
  dropNodes,
  dropPods,
  makeNodes,
  makeOwner,
  makePods,
  namesOf,
  podOf,
} from '../support/cluster.ts';
import { median, pairedRatio, rateOf } from '../support/figures.ts';
import { machineIntent, type Pinner, placesIntent } from '../support/pinner.ts';
import { freePort } from '../support/port.ts';
import { formatNumber, formatRatio, type Row } from '../support/table.ts';
import type { GoEcho } from './goecho.ts';
import { startScheduler } from './scheduler.ts';

/**
 * kube-scheduler's throughput without an extender, with the Go echo, with ours without and with a running plan, and
 * with ours for filter alone, as in manifests/, without a plan.
 */

const VARIANTS = ['none', 'echo', 'idle', 'plan', 'shipped'] as const;
type Variant = (typeof VARIANTS)[number];

const RESERVED = 20;

interface Scene {
  readonly bed: Bed;
  readonly pinner: Pinner;
  readonly namespace: string;
  readonly nodes: readonly string[];
  readonly pods: number;
  readonly moved: OwnerReference;
  readonly echo: Child;
  readonly echoUrl: string;
}

const urlOf = (s: Scene, variant: Variant): string | undefined => {
  if (variant === 'none') return undefined;
  return variant === 'echo' ? s.echoUrl : s.pinner.url;
};

interface Round {
  readonly aSecond: number;
  /** CPU milliseconds per pod of the extender asked; without one, of ours following the cluster. */
  readonly cpu: number;
}

const round = async (s: Scene, variant: Variant, at: number): Promise<Round> => {
  const { bed, namespace } = s;
  const name = `bench-${variant}`;
  await makePods(
    bed.client,
    namesOf(`pod-${variant}-${at}`, s.pods).map((pod) => podOf({ name: pod, namespace, scheduler: name })),
  );
  const bindings = await Bindings.watch(bed.client, namespace);
  const asked = variant === 'echo' ? s.echo : s.pinner.child;
  const before = asked.cpuSeconds();
  const verbs = variant === 'shipped' ? (['filter'] as const) : undefined;
  const scheduler = await startScheduler(bed, name, urlOf(s, variant), verbs);
  try {
    const aSecond = rateOf(await bindings.all(s.pods));
    return { aSecond, cpu: (1000 * (asked.cpuSeconds() - before)) / s.pods };
  } finally {
    bindings.close();
    await scheduler.stop();
    await dropPods(bed.client, namespace);
  }
};

/** A plan that reserves some of the nodes for pods of an owner that never come. */
const planOver = (s: Scene): (() => void) => {
  const intents = s.nodes
    .slice(0, RESERVED)
    .flatMap((name) => [machineIntent(name), placesIntent(name, s.namespace, s.moved, 10)]);
  const { autoscaler } = s.pinner;
  autoscaler.upsert(...intents);
  return () => {
    for (const { id } of intents) autoscaler.remove(id);
  };
};

export const throughputRows = async (
  bed: Bed,
  pinner: Pinner,
  echo: GoEcho,
  o: { readonly pods: number; readonly nodes: number; readonly rounds: number },
): Promise<readonly Row[]> => {
  const namespace = await bed.namespace('throughput');
  const nodes = namesOf(`node-${o.nodes}`, o.nodes);
  await makeNodes(bed.client, nodes);
  const address = `${bed.host}:${await freePort(bed.host)}`;
  const server = await echo.serve(address);
  const moved = await makeOwner(bed.client, namespace, `moved-${o.nodes}`);
  const scene = {
    bed,
    pinner,
    namespace,
    nodes,
    moved,
    pods: o.pods,
    echo: server,
    echoUrl: `http://${address}`,
  };
  const rounds: Record<Variant, Round[]> = { none: [], echo: [], idle: [], plan: [], shipped: [] };
  try {
    for (let at = 0; at <= o.rounds; at++) {
      for (const variant of VARIANTS) {
        const end = variant === 'plan' ? planOver(scene) : undefined;
        try {
          const measured = await round(scene, variant, at);
          // The first round warms them up.
          if (at > 0) rounds[variant].push(measured);
        } finally {
          end?.();
        }
      }
    }
  } finally {
    await server.stop();
    await dropNodes(bed.client, nodes);
  }
  const of = (variant: Variant, key: keyof Round) => rounds[variant].map((one) => one[key]);
  const how = { idle: 'no plan', plan: 'a plan running', shipped: 'filter alone, no plan' };
  const row = (ours: keyof typeof how, peer: 'none' | 'echo', least?: number): Row => {
    const ratio = pairedRatio(of(ours, 'aSecond'), of(peer, 'aSecond'));
    return {
      what: `kube-scheduler with ours on, ${o.nodes} nodes, ${how[ours]}: pods a second`,
      ours: formatNumber(median(of(ours, 'aSecond'))),
      peer: `${formatNumber(median(of(peer, 'aSecond')))} ${peer === 'none' ? 'no extender' : 'Go echo'}`,
      ratio: formatRatio(ratio),
      reach: least === undefined ? '' : `≥ ${least} ×`,
      isMet: least === undefined ? undefined : ratio >= least,
    };
  };
  const follows = median(of('none', 'cpu'));
  const cpuRow: Row = {
    what: `CPU of the extender a pod, ${o.nodes} nodes, no plan: ms, of them ${formatNumber(follows)} to follow the cluster`,
    ours: formatNumber(median(of('idle', 'cpu'))),
    peer: `${formatNumber(median(of('echo', 'cpu')))} Go echo, which follows nothing`,
    ratio: formatRatio(pairedRatio(of('idle', 'cpu'), of('echo', 'cpu'))),
    reach: '',
    isMet: undefined,
  };
  return [
    row('shipped', 'none', 0.95),
    row('idle', 'none'),
    row('idle', 'echo', 1),
    row('plan', 'echo', 1),
    cpuRow,
  ];
};
