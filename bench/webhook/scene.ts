import type { OwnerReference, Pod } from '../../api/objects.ts';
import { reservationOf } from '../../api/reservation.ts';
import { MUTATING_WEBHOOK_CONFIGURATIONS, REBALANCE_PLANS, SECRETS } from '../../api/resources.ts';
import { until } from '../../kube/testing/until.ts';
import type { Bed } from '../support/bed.ts';
import { Child } from '../support/child.ts';
import { dropPods, makeNodes, makeOwner, namesOf, podOf, SCHEDULERS } from '../support/cluster.ts';
import { type Pinner, placesIntent, startPinner, UNTHROTTLED } from '../support/pinner.ts';
import { freePort } from '../support/port.ts';
import { configure } from './configuration.ts';

/** Names of the webhooks in the API server's metrics. */
export const OURS = 'pin.autoscaling.cast.ai';
export const ECHO = 'echo.bench.autoscaling.cast.ai';

const OWNERS = 20;
const NODES = 40;
/** Room for every pod of a round: each owner has slots on every other node. */
const ROOM = 100_000;
const PLAN = 'bench-webhook';
const CONFIGURATION = 'bench-webhook-ours';
const ECHO_CONFIGURATION = 'bench-webhook-echo';

/** A namespace whose pods are sent to no webhook, to the echo, or to ours. */
export interface Side {
  readonly name: 'none' | 'echo' | 'ours';
  readonly namespace: string;
  /** Name of the webhook in metrics; empty for none. */
  readonly webhook: string;
  podOf(name: string, i: number): Pod;
}

export interface Scene {
  readonly bed: Bed;
  readonly pinner: Pinner;
  readonly webhook: Child;
  readonly echo: Child;
  readonly urls: { readonly ours: string; readonly echo: string };
  readonly sides: readonly [Side, Side, Side];
  setPlan(state: 'Running' | 'Done'): Promise<void>;
  close(): Promise<void>;
}

const sideOf = async (bed: Bed, name: Side['name'], webhook: string) => {
  const namespace = await bed.namespace(`pods-${name}`);
  const owners = await Promise.all(
    namesOf('owner', OWNERS).map((owner) => makeOwner(bed.client, namespace, owner)),
  );
  const side: Side = {
    name,
    namespace,
    webhook,
    podOf: (pod, i) => podOf({ name: pod, namespace, owner: owners[i % OWNERS] as OwnerReference }),
  };
  return { side, owners };
};

/** The webhook, and what keeps its certificate. */
const startWebhook = (bed: Bed, namespace: string, port: number) => {
  const env = {
    KUBECONFIG: bed.ground.kubeconfig,
    POD_NAMESPACE: namespace,
    POD_NAME: 'bench',
    SCHEDULER_NAMES: SCHEDULERS,
    HOST: bed.host,
    PORT: String(port),
    HEALTH_PORT: '0',
    EXTRA_NAMES: bed.host,
    CONFIGURATION,
    SHUTDOWN_DELAY: '100ms',
    SETTLE: '1s',
    QPS: String(UNTHROTTLED),
    BURST: String(UNTHROTTLED),
  };
  return {
    webhook: Child.ofOurs('webhook/main.ts', env),
    keeper: Child.ofOurs('webhook/keeper/main.ts', env),
  };
};

/** Whether the API server reaches our webhook: its CA has arrived, and a created pod comes back pinned. */
const isLive = async (bed: Bed, side: Side): Promise<boolean> => {
  const found = await bed.client.get(MUTATING_WEBHOOK_CONFIGURATIONS, { name: CONFIGURATION });
  if (!found.webhooks?.[0]?.clientConfig.caBundle) return false;
  const path = `/api/v1/namespaces/${side.namespace}/pods`;
  const pod = { apiVersion: 'v1', kind: 'Pod', ...side.podOf(`probe-${Date.now()}`, 0) };
  const made = await bed.client.request<Pod>('POST', path, { body: pod });
  return made.spec.nodeName !== undefined;
};

/** A plan that moves pods of these owners. */
const makePlan = async (bed: Bed, namespace: string, owners: readonly OwnerReference[]): Promise<void> => {
  const podsToMigrate = owners.map(({ kind, name, uid }) => ({
    name: `${name}-old`,
    namespace,
    dstNodeClaimName: 'claim',
    owner: { kind, name, uid },
  }));
  await bed.client.create(REBALANCE_PLANS, {
    metadata: { name: PLAN },
    spec: { execute: false, podsToMigrate },
  });
};

/** A plan that moves pods of every owner on our side, the webhook and the pinner that carry it out, and the echo. */
export const openScene = async (bed: Bed): Promise<Scene> => {
  const { client } = bed;
  const namespace = await bed.namespace('ours');
  const none = await sideOf(bed, 'none', '');
  const other = await sideOf(bed, 'echo', ECHO);
  const ours = await sideOf(bed, 'ours', OURS);
  const nodes = namesOf('bench-webhook', NODES);
  // A plan has its nodes to itself: pods of an open node are held first, and bound later.
  await makeNodes(client, nodes, { pods: ROOM, taints: [reservationOf('claim')] });
  for (const name of ['castai-pod-pinner-webhook-ca', 'castai-pod-pinner-webhook-cert'])
    await client.create(SECRETS, { metadata: { name, namespace }, type: 'Opaque' });
  await makePlan(bed, ours.side.namespace, ours.owners);
  const setPlan = async (state: 'Running' | 'Done'): Promise<void> => {
    await client.patch(REBALANCE_PLANS, { name: PLAN }, { status: { state } }, { subresource: 'status' });
  };
  await setPlan('Running');

  const [port, echoPort] = [await freePort(bed.host), await freePort(bed.host)];
  const urls = { ours: `https://${bed.host}:${port}/mutate`, echo: `https://${bed.host}:${echoPort}/mutate` };
  const pinner = await startPinner(bed, namespace);
  const echo = Child.ofOurs('bench/webhook/echo.ts', {}, [bed.host, String(echoPort)]);
  const workload = ours.side.namespace;
  await configure(client, { name: CONFIGURATION, webhook: OURS, url: urls.ours, workload });
  const { webhook, keeper } = startWebhook(bed, namespace, port);
  const close = async (): Promise<void> => {
    await Promise.all([webhook.stop(), keeper.stop(), echo.stop(), pinner.stop()]);
    for (const name of [CONFIGURATION, ECHO_CONFIGURATION])
      await client.delete(MUTATING_WEBHOOK_CONFIGURATIONS, { name }).catch(() => {});
    await client.delete(REBALANCE_PLANS, { name: PLAN }).catch(() => {});
  };
  try {
    const authority = (await echo.said('listening')).split(' ')[1];
    await configure(
      client,
      { name: ECHO_CONFIGURATION, webhook: ECHO, url: urls.echo, workload: other.side.namespace },
      authority,
    );
    const places = ours.owners.flatMap((owner, i) =>
      nodes
        .filter((_, at) => at % 2 === i % 2)
        .map((node) => placesIntent(node, ours.side.namespace, owner, ROOM)),
    );
    pinner.autoscaler.upsert(...places);
    await webhook.said('certificate loaded');
    await until('a pod comes back pinned', () => isLive(bed, ours.side), { timeoutMs: 60_000 });
    await dropPods(client, ours.side.namespace);
  } catch (error) {
    await close();
    throw error;
  }
  const sides = [none.side, other.side, ours.side] as const;
  return { bed, pinner, webhook, echo, urls, sides, setPlan, close };
};
