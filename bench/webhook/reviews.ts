import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { GRANT_MS } from '../../extender/placement/allocate.ts';
import type { Child } from '../support/child.ts';
import { median, pairedRatio } from '../support/figures.ts';
import { formatNumber, formatRatio, type Row } from '../support/table.ts';
import type { Scene, Side } from './scene.ts';

/** Reviews straight to the webhook's port over kept TLS connections; each server is one Node process. */

const CONNECTIONS = 16;
const SPARE_UID = 'uid-00000000';
// More requests than one round sends.
const UIDS = 1_000_000;

interface Round {
  readonly aSecond: number;
  readonly aCpuSecond: number;
}

interface Target {
  readonly name: 'echo' | 'passed' | 'pinned';
  readonly url: string;
  readonly server: Child;
  readonly side: Side;
}

const POD_KIND = { group: '', version: 'v1', kind: 'Pod' };
const POD_RESOURCE = { group: '', version: 'v1', resource: 'pods' };

/** A review of a pod's creation as the API server sends it; its uid is put in later. */
const reviewOf = (side: Side): string =>
  JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: SPARE_UID,
      kind: POD_KIND,
      resource: POD_RESOURCE,
      requestKind: POD_KIND,
      requestResource: POD_RESOURCE,
      namespace: side.namespace,
      operation: 'CREATE',
      userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller', groups: [] },
      object: { kind: 'Pod', apiVersion: 'v1', ...side.podOf('asked', 0), status: {} },
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
    },
  });

const runRound = async (target: Target, seconds: number, first: number): Promise<Round> => {
  let next = first;
  const [head = '', tail = ''] = reviewOf(target.side).split(SPARE_UID);
  // A repeated request gets the same answer without work, so each has its own uid.
  const setupRequest = (request: { body?: string }) => {
    request.body = `${head}uid-${String(next++).padStart(8, '0')}${tail}`;
    return request;
  };
  const before = target.server.cpuSeconds();
  const result = await autocannon({
    url: target.url,
    connections: CONNECTIONS,
    duration: seconds,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    requests: [{ setupRequest }],
    tlsOptions: { rejectUnauthorized: false },
  });
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${target.name}: ${result.non2xx} refused, ${result.errors} failed`);
  const cpu = target.server.cpuSeconds() - before;
  return { aSecond: result['2xx'] / result.duration, aCpuSecond: result['2xx'] / cpu };
};

export const reviewRows = async (
  { urls, webhook, echo, sides: [, echoSide, ours] }: Scene,
  o: { readonly seconds: number; readonly rounds: number },
): Promise<readonly Row[]> => {
  const targets: readonly Target[] = [
    { name: 'echo', url: urls.echo, server: echo, side: echoSide },
    // No plan moves the owners of that side.
    { name: 'passed', url: urls.ours, server: webhook, side: echoSide },
    { name: 'pinned', url: urls.ours, server: webhook, side: ours },
  ];
  const found: Record<Target['name'], Round[]> = { echo: [], passed: [], pinned: [] };
  let first = 0;
  for (let at = 0; at <= o.rounds; at++) {
    for (const target of targets) {
      // Its pods are never created: the last round's slots are free again, as on a cluster where the pods are seen.
      if (target.name === 'pinned') await sleep(GRANT_MS);
      const round = await runRound(target, o.seconds, first);
      first += UIDS;
      // The first round warms them up.
      if (at > 0) found[target.name].push(round);
    }
  }
  const rowOf = (name: 'passed' | 'pinned', key: keyof Round): Row => {
    const of = (side: Target['name']): readonly number[] => found[side].map((round) => round[key]);
    const ours = median(of(name));
    const ratio = pairedRatio(of(name), of('echo'));
    const clock = key === 'aSecond' ? 'second, load generator beside it' : 'CPU second';
    // On one core: the load generator's share of the machine is not counted.
    const isAsked = name === 'passed' && key === 'aCpuSecond';
    return {
      what: `reviews a ${clock}, ${name === 'pinned' ? 'pinned: a slot for each' : 'passed'}`,
      ours: formatNumber(ours),
      peer: `${formatNumber(median(of('echo')))} fastify echo`,
      ratio: formatRatio(ratio),
      reach: isAsked ? '≥ 5,000, ≥ 0.5 ×' : '',
      isMet: isAsked ? ours >= 5_000 && ratio >= 0.5 : undefined,
    };
  };
  return (['passed', 'pinned'] as const).flatMap((name) => [
    rowOf(name, 'aSecond'),
    rowOf(name, 'aCpuSecond'),
  ]);
};
