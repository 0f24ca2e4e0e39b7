import * as labels from '../../../api/labels.ts';
import { hasJoined, isReady } from '../../../api/nodes.ts';
import type { Condition, Node, NodeClaim, NodePool, Pod } from '../../../api/objects.ts';
import { isBoundToNode, isDrainable, isTerminating, podName } from '../../../api/pods.ts';
import { EVENTS, NODE_CLAIMS, NODE_POOLS, NODES } from '../../../api/resources.ts';
import { typed } from '../../../kube/testing/memory/api.ts';
import { cpuOf, INSTANCE_TYPES } from './catalogue.ts';
import { type Cluster, cpuRequested, milli, POOL } from './cluster.ts';

/** Karpenter as its sources have it (pkg/controllers): launch, registration, initialization, termination, provisioning. */

/** Shorter than its 15 minutes, so that a history reaches it. */
const LIVENESS_MS = 240_000;

const FINALIZER = labels.KARPENTER_TERMINATION_FINALIZER;

const withCondition = (claim: NodeClaim, type: string): readonly Condition[] => [
  ...(claim.status?.conditions ?? []).filter((c) => c.type !== type),
  { type, status: 'True' },
];

const has = (claim: NodeClaim, type: string): boolean =>
  claim.status?.conditions?.some((c) => c.type === type && c.status === 'True') ?? false;

const release = (cluster: Cluster, claim: NodeClaim): void => {
  cluster.api.edit(NODE_CLAIMS, claim.metadata, (c) => ({
    ...c,
    metadata: { ...c.metadata, finalizers: [] },
  }));
};

/** Deletes a claim that the cloud could not fulfil; the event comes a moment later. */
const giveUp = (cluster: Cluster, claim: NodeClaim): void => {
  const { name, uid = '' } = claim.metadata;
  cluster.api.delete(NODE_CLAIMS, { name });
  release(cluster, claim);
  cluster.tell(`Karpenter finds no capacity for NodeClaim ${name} and deletes it`);
  cluster.simulation.after(cluster.simulation.dice.between(0, 2_000), () => {
    cluster.api.create(
      EVENTS,
      typed(EVENTS, {
        metadata: { name: '', generateName: `${name.slice(0, 40)}.`, namespace: 'default' },
        involvedObject: { kind: 'NodeClaim', name, uid },
        type: 'Warning',
        reason: 'InsufficientCapacityError',
        message: 'all requested instance types were unavailable during launch',
      }),
    );
  });
};

const launch = (cluster: Cluster, claim: NodeClaim): void => {
  if (!cluster.isDue(`launch ${claim.metadata.uid}`, 500, 4_000)) return;
  const { metadata } = claim;
  if (!metadata.finalizers?.includes(FINALIZER)) {
    const finalizers = [...(metadata.finalizers ?? []), FINALIZER];
    cluster.api.edit(NODE_CLAIMS, metadata, (c) => ({ ...c, metadata: { ...c.metadata, finalizers } }));
  }
  const offer = cluster.market.launch(claim.spec.requirements);
  if (!offer) {
    giveUp(cluster, claim);
    return;
  }
  const providerID = cluster.startMachine();
  const cpu = `${cpuOf(offer.instanceType)}m`;
  cluster.api.edit(NODE_CLAIMS, metadata, (c) => ({
    ...c,
    metadata: {
      ...c.metadata,
      labels: {
        ...c.metadata.labels,
        [labels.INSTANCE_TYPE]: offer.instanceType,
        [labels.ZONE]: offer.zone,
        [labels.KARPENTER_CAPACITY_TYPE]: offer.capacityType,
      },
    },
    status: {
      ...c.status,
      providerID,
      capacity: { cpu, memory: '64Gi', pods: '58' },
      allocatable: { cpu, memory: '64Gi', pods: '58' },
      conditions: withCondition(c, 'Launched'),
    },
  }));
};

/** Gives the Node of a claim the claim's labels, annotations and taints, and Karpenter's finalizer. */
const register = (cluster: Cluster, claim: NodeClaim, node: Node): void => {
  const own = [...(claim.spec.taints ?? []), ...(claim.spec.startupTaints ?? [])];
  cluster.editNode(node.metadata.name, (n) => {
    const present = (n.spec?.taints ?? []).filter((t) => t.key !== labels.KARPENTER_UNREGISTERED_TAINT);
    const added = own.filter((t) => !present.some((p) => p.key === t.key && p.effect === t.effect));
    return {
      ...n,
      metadata: {
        ...n.metadata,
        finalizers: [...new Set([...(n.metadata.finalizers ?? []), FINALIZER])],
        labels: { ...n.metadata.labels, ...claim.metadata.labels, [labels.KARPENTER_REGISTERED]: 'true' },
        annotations: { ...n.metadata.annotations, ...claim.metadata.annotations },
      },
      spec: { ...n.spec, taints: [...present, ...added] },
    };
  });
  cluster.api.edit(NODE_CLAIMS, claim.metadata, (c) => ({
    ...c,
    status: { ...c.status, nodeName: node.metadata.name, conditions: withCondition(c, 'Registered') },
  }));
};

const initialize = (cluster: Cluster, claim: NodeClaim, node: Node): void => {
  cluster.editNode(node.metadata.name, (n) => ({
    ...n,
    metadata: { ...n.metadata, labels: { ...n.metadata.labels, [labels.KARPENTER_INITIALIZED]: 'true' } },
  }));
  cluster.api.edit(NODE_CLAIMS, claim.metadata, (c) => ({
    ...c,
    status: { ...c.status, conditions: withCondition(c, 'Initialized') },
  }));
};

const blocksDrain = (pod: Pod): boolean =>
  pod.metadata.annotations?.[labels.KARPENTER_DO_NOT_DISRUPT] === 'true';

/** Evicts the pods of a node that goes; true once none is left. */
const drain = (cluster: Cluster, node: Node): boolean => {
  const left = cluster.podsOn(node.metadata.name).filter(isDrainable);
  for (const pod of left) {
    if (isTerminating(pod) || blocksDrain(pod)) continue;
    try {
      cluster.api.evict({ name: pod.metadata.name, namespace: pod.metadata.namespace ?? '' });
      cluster.tell(`Karpenter evicts pod ${podName(pod)} from node ${node.metadata.name}, which goes`);
    } catch {
      // A PodDisruptionBudget refuses; the next tick tries again.
    }
  }
  return left.length === 0;
};

/** A node that goes with its machine. One that no kubelet joined is not drained. */
const terminate = (cluster: Cluster, node: Node): void => {
  const { name } = node.metadata;
  const claim = cluster.claimOfNode(node);
  if (claim && !claim.metadata.deletionTimestamp) cluster.api.delete(NODE_CLAIMS, claim.metadata);
  if (!(node.spec?.taints ?? []).some((t) => t.key === labels.KARPENTER_DISRUPTED_TAINT)) {
    const taint = { key: labels.KARPENTER_DISRUPTED_TAINT, effect: 'NoSchedule' as const };
    cluster.editNode(name, (n) => ({
      ...n,
      spec: { ...n.spec, taints: [...(n.spec?.taints ?? []), taint] },
    }));
  }
  if (hasJoined(node) && !drain(cluster, node)) return;
  if (node.spec?.providerID) cluster.machines.delete(node.spec.providerID);
  cluster.editNode(name, (n) => ({ ...n, metadata: { ...n.metadata, finalizers: [] } }));
};

const reconcileClaim = (cluster: Cluster, claim: NodeClaim): void => {
  const node = cluster.nodeOfClaim(claim);
  const { providerID } = claim.status ?? {};
  if (claim.metadata.deletionTimestamp) {
    if (node && !node.metadata.deletionTimestamp) cluster.api.delete(NODES, node.metadata);
    else if (!node) {
      if (providerID) cluster.machines.delete(providerID);
      release(cluster, claim);
    }
    return;
  }
  if (!providerID) launch(cluster, claim);
  else if (
    !has(claim, 'Registered') &&
    cluster.isDue(`liveness ${claim.metadata.uid}`, LIVENESS_MS, LIVENESS_MS)
  )
    cluster.api.delete(NODE_CLAIMS, claim.metadata);
  else if (node && !has(claim, 'Registered')) register(cluster, claim, node);
  else if (node && !has(claim, 'Initialized') && isReady(node) && hasJoined(node))
    initialize(cluster, claim, node);
  else if (!node && has(claim, 'Registered')) cluster.api.delete(NODE_CLAIMS, claim.metadata);
};

/** Whether a pod waits for a machine to be bought: neither gated nor nominated, and seen twice. */
const isUnplaced = (cluster: Cluster, pod: Pod): boolean =>
  !pod.spec.nodeName &&
  !isTerminating(pod) &&
  !isBoundToNode(pod) &&
  !pod.spec.schedulingGates?.length &&
  !pod.status?.nominatedNodeName &&
  cluster.isDue(`provision ${pod.metadata.uid}`, 2_000, 4_000);

const usedOf = (cluster: Cluster): number =>
  cluster.api
    .list(NODE_CLAIMS)
    .reduce((sum, c) => sum + milli(c.status?.capacity?.cpu ?? c.spec.resources?.requests?.cpu), 0);

/** The NodeClaim that Karpenter would make for a NodePool. */
export const claimFor = (pool: NodePool, name: string, instanceTypes: readonly string[]): NodeClaim =>
  typed(NODE_CLAIMS, {
    metadata: {
      name,
      labels: { [labels.KARPENTER_NODEPOOL]: pool.metadata.name },
      ownerReferences: [
        { apiVersion: 'karpenter.sh/v1', kind: 'NodePool', name: pool.metadata.name, uid: pool.metadata.uid },
      ],
      finalizers: [FINALIZER],
    },
    spec: {
      nodeClassRef: pool.spec.template.spec.nodeClassRef,
      requirements: [
        { key: labels.INSTANCE_TYPE, operator: 'In', values: instanceTypes },
        { key: labels.KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['on-demand'] },
      ],
    },
  });

/** Buys a machine for pods that fit no node that is there or on its way. */
const provision = (cluster: Cluster): void => {
  const pool = cluster.api.find(NODE_POOLS, { name: POOL });
  const claims = cluster.api.list(NODE_CLAIMS).filter((c) => !c.metadata.deletionTimestamp);
  if (!pool || claims.some((c) => !c.status?.providerID)) return;
  // A machine that has not joined is room that is on its way.
  if (claims.some((c) => !has(c, 'Initialized') && c.metadata.labels?.[labels.PLAN] === undefined)) return;
  const pods = cluster.api.pods().filter((pod) => isUnplaced(cluster, pod));
  if (pods.length === 0) return;
  const cpu = pods.reduce((sum, pod) => sum + cpuRequested(pod), 0);
  const limit = pool.spec.limits?.cpu;
  const types = INSTANCE_TYPES.filter((type) => cpuOf(type) >= Math.min(cpu, 8_000));
  const left = limit === undefined ? Number.POSITIVE_INFINITY : milli(limit) - usedOf(cluster);
  const allowed = types.filter((type) => cpuOf(type) <= left);
  if (allowed.length === 0 || !cluster.market.launch(claimFor(pool, 'x', allowed).spec.requirements)) return;
  const name = `${POOL}-k${cluster.api.store.version.toString(36)}`;
  cluster.api.create(NODE_CLAIMS, claimFor(pool, name, allowed));
  cluster.tell(`Karpenter orders NodeClaim ${name} for ${pods.map(podName).join(', ')}`);
};

export const karpenter = (cluster: Cluster): void => {
  for (const claim of cluster.api.list(NODE_CLAIMS)) reconcileClaim(cluster, claim);
  for (const node of cluster.api.nodes()) {
    const isOurs = node.metadata.finalizers?.includes(FINALIZER) ?? false;
    if (node.metadata.deletionTimestamp && isOurs) terminate(cluster, node);
  }
  provision(cluster);
};
