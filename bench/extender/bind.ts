import type { OwnerReference } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import { until } from '../../kube/testing/until.ts';
import type { Bed } from '../support/bed.ts';
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
import { formatNumber, formatRatio, type Row } from '../support/table.ts';
import { startScheduler } from './scheduler.ts';

/** Pending pods bound to placeholders by the pinner or to ready nodes by kube-scheduler, from the first to the last. */

const OWNERS = 20;
const SCHEDULER = 'bench-bind';

interface Round {
  readonly aSecond: number;
  /** Time from the order to the last pod, in milliseconds. */
  readonly wholeMs: number;
}

interface Scene {
  readonly bed: Bed;
  readonly pinner: Pinner;
  readonly namespace: string;
  readonly owners: readonly OwnerReference[];
  readonly pods: number;
  readonly nodes: number;
}

const waiting = (s: Scene, round: string, scheduler?: string) =>
  namesOf(`pod-${round}`, s.pods).map((name, i) => {
    const owner = s.owners[i % s.owners.length];
    const selector = { bench: round };
    return podOf({
      name,
      namespace: s.namespace,
      selector,
      ...(owner ? { owner } : {}),
      ...(scheduler ? { scheduler } : {}),
    });
  });

const measured = (times: readonly number[], started: number): Round => ({
  aSecond: rateOf(times),
  wholeMs: Math.max(...times) - started,
});

const byScheduler = async (s: Scene, round: string): Promise<Round> => {
  const { bed, namespace } = s;
  const names = namesOf(`ready-${round}`, s.nodes);
  await makeNodes(bed.client, names, { labels: { bench: round } });
  await makePods(bed.client, waiting(s, round, SCHEDULER));
  const bindings = await Bindings.watch(bed.client, namespace);
  const started = performance.now();
  const scheduler = await startScheduler(bed, SCHEDULER);
  try {
    return measured(await bindings.all(s.pods), started);
  } finally {
    bindings.close();
    await scheduler.stop();
    await dropPods(bed.client, namespace);
    await dropNodes(bed.client, names);
  }
};

const byPinner = async (s: Scene, round: string): Promise<Round> => {
  const { bed, namespace, owners, pinner } = s;
  const { autoscaler } = pinner;
  const names = namesOf(`placeholder-${round}`, s.nodes);
  const machines = names.map((name) => machineIntent(name, { labels: { bench: round } }));
  autoscaler.upsert(...machines);
  await until(
    'the placeholders stand',
    async () => {
      const { items } = await bed.client.list(NODES, { labelSelector: `bench=${round}` });
      return items.length === s.nodes;
    },
    { timeoutMs: 120_000 },
  );
  await makePods(bed.client, waiting(s, round));
  const bindings = await Bindings.watch(bed.client, namespace);
  const each = Math.ceil(s.pods / s.nodes);
  const places = names.flatMap((name, i) => {
    const owner = owners[i % owners.length];
    return owner ? [placesIntent(name, namespace, owner, each)] : [];
  });
  const started = performance.now();
  autoscaler.upsert(...places);
  try {
    return measured(await bindings.all(s.pods), started);
  } finally {
    bindings.close();
    for (const { id } of [...places, ...machines]) autoscaler.remove(id);
    await dropPods(bed.client, namespace);
    await dropNodes(bed.client, names);
  }
};

export const bindRows = async (
  bed: Bed,
  pinner: Pinner,
  o: { readonly pods: number; readonly nodes: number; readonly rounds: number },
): Promise<readonly Row[]> => {
  const namespace = await bed.namespace('bind');
  const owners = await Promise.all(
    namesOf('owner', OWNERS).map((name) => makeOwner(bed.client, namespace, name)),
  );
  const scene = { bed, pinner, namespace, owners, pods: o.pods, nodes: o.nodes };
  const ours: Round[] = [];
  const peers: Round[] = [];
  for (let at = 0; at < o.rounds; at++) {
    peers.push(await byScheduler(scene, `peer-${at}`));
    ours.push(await byPinner(scene, `ours-${at}`));
  }
  const ratio = pairedRatio(
    ours.map(({ aSecond }) => aSecond),
    peers.map(({ aSecond }) => aSecond),
  );
  return [
    {
      what: `pods bound a second, ${o.pods} pods to ${o.nodes} placeholders`,
      ours: formatNumber(median(ours.map(({ aSecond }) => aSecond))),
      peer: `${formatNumber(median(peers.map(({ aSecond }) => aSecond)))} kube-scheduler, ready nodes`,
      ratio: formatRatio(ratio),
      reach: '≥ 1.0 ×',
      isMet: ratio >= 1,
    },
    {
      what: 'the same, ms from the order (intents sent, scheduler started) to the last pod',
      ours: formatNumber(median(ours.map(({ wholeMs }) => wholeMs))),
      peer: `${formatNumber(median(peers.map(({ wholeMs }) => wholeMs)))} kube-scheduler`,
      ratio: formatRatio(
        pairedRatio(
          ours.map(({ wholeMs }) => wholeMs),
          peers.map(({ wholeMs }) => wholeMs),
        ),
      ),
      reach: '',
      isMet: undefined,
    },
  ];
};
