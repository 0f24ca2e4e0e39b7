import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import { NODE_CLAIMS, NODE_POOLS, POD_DISRUPTION_BUDGETS } from '../../api/resources.ts';
import { typed } from '../../kube/testing/memory/api.ts';
import { type Action, at, someNode } from './action.ts';
import { INSTANCE_TYPES } from './cluster/catalogue.ts';
import { NAMESPACE, POOL } from './cluster/cluster.ts';

/** What administrators, the cloud, Karpenter, networks and crashes do to a cluster. */
export const surroundingActions = {
  editPool: (world, _, variant) => {
    const budgets = [{ nodes: ['100%', '1', '0', '50%'][variant % 4] ?? '100%' }];
    const cpu = ['60', '16', '8', '60'][variant % 4] ?? '60';
    world.api.edit(NODE_POOLS, { name: POOL }, (p) => ({
      ...p,
      spec: { ...p.spec, ...(variant < 6 ? { limits: { cpu } } : { disruption: { budgets } }) },
    }));
    return variant < 6
      ? `A user sets the CPU limit of the NodePool to ${cpu}`
      : `A user sets the budget of the NodePool to ${budgets[0]?.nodes} nodes`;
  },

  editBudget: (world, _, variant) => {
    const ref = { name: 'web', namespace: NAMESPACE };
    if (variant % 3 === 0 && world.api.find(POD_DISRUPTION_BUDGETS, ref)) {
      world.api.delete(POD_DISRUPTION_BUDGETS, ref);
      return 'A user deletes the PodDisruptionBudget of web';
    }
    const spec = { selector: { matchLabels: { app: 'web' } }, minAvailable: variant % 5 };
    if (!world.api.edit(POD_DISRUPTION_BUDGETS, ref, (b) => ({ ...b, spec })))
      world.api.create(POD_DISRUPTION_BUDGETS, typed(POD_DISRUPTION_BUDGETS, { metadata: ref, spec }));
    return `A user lets the PodDisruptionBudget of web ask for ${variant % 5} pods`;
  },

  exhaust: (world, pick, variant) => {
    const type = at(INSTANCE_TYPES, pick) ?? '';
    world.cluster.market.setAvailable(type, variant % 3 === 0);
    return `The cloud ${variant % 3 === 0 ? 'has' : 'is out of'} ${type}`;
  },

  setPrice: (world, pick, variant) => {
    const type = at(INSTANCE_TYPES, pick) ?? '';
    const factor = variant % 2 === 0 ? 2.5 : 0.5;
    world.cluster.market.setPrice(type, factor);
    return `The price of ${type} is multiplied by ${factor}`;
  },

  breakMachines: (world, _, variant) => {
    world.cluster.neverJoins = variant % 2 === 0 ? 0.7 : 0;
    return variant % 2 === 0 ? 'New machines often never join' : 'New machines join again';
  },

  disrupt: (world, pick, variant) => {
    const node = someNode(world, pick);
    if (!node) return undefined;
    const isForceful = variant % 4 === 0;
    const isProtected =
      node.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] === 'true' ||
      world.cluster
        .podsOn(node.metadata.name)
        .some((p) => p.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] === 'true');
    const claim = world.cluster.claimOfNode(node);
    if (!claim || (isProtected && !isForceful)) return undefined;
    world.api.delete(NODE_CLAIMS, { name: claim.metadata.name });
    return `Karpenter ${isForceful ? 'expires' : 'consolidates'} node ${node.metadata.name} (NodeClaim ${claim.metadata.name})`;
  },

  crashKentroller: (world, _, variant) => {
    if (!world.kentroller) return undefined;
    world.crashKentroller(200 + variant * 1_500);
    return 'Kentroller crashes';
  },

  crashPinner: (world, _, variant) => {
    if (!world.pinner) return undefined;
    world.crashPinner(200 + variant * 2_500);
    return 'The pinner crashes';
  },

  stall: (world, pick, variant) => {
    const process = at(world.processes(), pick);
    const ms = 500 + variant * 1_000;
    process?.stall(ms);
    world.disturb(ms);
    return process && `The network of ${process.name} stalls for ${ms} ms`;
  },

  loseWatch: (world, pick, variant) => {
    const kind = at(['Node', 'Pod', 'NodeClaim', 'RebalancePlan', 'NodePool', 'ReplicaSet'], pick) ?? '';
    const ms = 500 + variant * 1_500;
    for (const process of world.processes()) process.loseWatch(kind, ms);
    world.disturb(ms);
    return `The watches of ${kind}s break for ${ms} ms`;
  },

  switchWebhook: (world, _, variant) => {
    world.isWebhookLive = variant % 2 === 0;
    return `The webhook ${world.isWebhookLive ? 'answers' : 'does not answer'}`;
  },
} satisfies Record<string, Action>;
