import {
  CANCEL,
  KARPENTER_DO_NOT_DISRUPT,
  KENTROLLER,
  POD_PINNER,
  POD_PINNER_WEBHOOK,
  POD_PINNER_WEBHOOK_KEEPER,
} from '../../api/labels.ts';
import type { KubeObject, Node, Pod } from '../../api/objects.ts';
import { controllerOf, isLive } from '../../api/pods.ts';
import {
  NODE_CLAIMS,
  NODE_POOLS,
  NODES,
  POD_DISRUPTION_BUDGETS,
  PODS,
  REBALANCE_PLAN_CLAIMS,
  REBALANCE_PLANS,
  type Resource,
} from '../../api/resources.ts';
import { USER_ANNOTATION, USER_TAINT } from './marks.ts';
import { annotate, patchNode, type Scene, scale } from './scene.ts';

/** Writes that a user may do at any time; each returns what it did, or nothing where there was nothing to do it to. */

type Act = (scene: Scene) => Promise<string | undefined>;

const some = async <T extends KubeObject>(
  { client, dice, name }: Scene,
  resource: Resource<T>,
  isMeant: (object: T) => boolean,
): Promise<T | undefined> => {
  const scope = resource.namespaced ? { namespace: name } : {};
  const { items } = await client.list(resource, scope);
  const meant = items.filter(isMeant);
  return meant.length > 0 ? dice.pick(meant) : undefined;
};

const someNode = (scene: Scene, isMeant: (node: Node) => boolean) =>
  some(
    scene,
    NODES,
    (node) =>
      node.metadata.labels?.['karpenter.sh/nodepool'] === scene.name &&
      !node.metadata.deletionTimestamp &&
      isMeant(node),
  );

const somePod = (scene: Scene, isMeant: (pod: Pod) => boolean = () => true) =>
  some(scene, PODS, (pod) => isLive(pod) && isMeant(pod));

const hasUserTaint = ({ spec }: Node): boolean =>
  spec?.taints?.some((t) => t.key === USER_TAINT.key) ?? false;

const cordon: Act = async (scene) => {
  const node = await someNode(scene, ({ spec }) => !spec?.unschedulable);
  if (!node) return undefined;
  await patchNode(scene, node, { spec: { unschedulable: true } });
  scene.marks.put(node, 'cordon');
  return `cordons ${node.metadata.name}`;
};

const uncordon: Act = async (scene) => {
  const node = await someNode(scene, ({ spec }) => spec?.unschedulable === true);
  if (!node) return undefined;
  await patchNode(scene, node, { spec: { unschedulable: null } });
  scene.marks.take(node, 'cordon');
  return `uncordons ${node.metadata.name}`;
};

const taint: Act = async (scene) => {
  const node = await someNode(scene, () => true);
  if (!node) return undefined;
  const others = (node.spec?.taints ?? []).filter(({ key }) => key !== USER_TAINT.key);
  const isOn = hasUserTaint(node);
  await patchNode(scene, node, { spec: { taints: isOn ? others : [...others, USER_TAINT] } });
  scene.marks[isOn ? 'take' : 'put'](node, 'taint');
  return `${isOn ? 'untaints' : 'taints'} ${node.metadata.name}`;
};

const annotateNode: Act = async (scene) => {
  const node = await someNode(scene, (n) => !scene.marks.has(n, 'annotation'));
  if (!node) return undefined;
  await patchNode(scene, node, annotate(USER_ANNOTATION, 'kept'));
  scene.marks.put(node, 'annotation');
  return `annotates ${node.metadata.name}`;
};

const protectNode: Act = async (scene) => {
  const node = await someNode(
    scene,
    ({ metadata }) => metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] === undefined,
  );
  if (!node) return undefined;
  await patchNode(scene, node, annotate(KARPENTER_DO_NOT_DISRUPT, 'true'));
  scene.marks.put(node, 'do-not-disrupt');
  return `sets do-not-disrupt on ${node.metadata.name}`;
};

const unprotectNode: Act = async (scene) => {
  const node = await someNode(scene, (n) => scene.marks.has(n, 'do-not-disrupt'));
  if (!node) return undefined;
  await patchNode(scene, node, annotate(KARPENTER_DO_NOT_DISRUPT, null));
  scene.marks.take(node, 'do-not-disrupt');
  return `takes do-not-disrupt off ${node.metadata.name}`;
};

const protectPod: Act = async (scene) => {
  const pod = await somePod(scene);
  if (!pod) return undefined;
  const isOn = pod.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined;
  const { name } = pod.metadata;
  await scene.client.patch(
    PODS,
    { name, namespace: scene.name },
    annotate(KARPENTER_DO_NOT_DISRUPT, isOn ? null : 'true'),
  );
  return `${isOn ? 'takes do-not-disrupt off' : 'sets do-not-disrupt on'} pod ${name}`;
};

const barePod: Act = async ({ client, name, dice }) => {
  const { items } = await client.list(PODS, { namespace: name });
  if (items.filter((pod) => !controllerOf(pod)).length >= 3) return undefined;
  const bare = `bare-${dice.below(1_000_000)}`;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: bare, namespace: name },
    spec: {
      nodeSelector: { 'karpenter.sh/nodepool': name },
      terminationGracePeriodSeconds: 1,
      containers: [
        { name: 'app', image: 'pause:local', resources: { requests: { cpu: '100m', memory: '64Mi' } } },
      ],
    },
  };
  await client.create<Pod>(PODS, pod);
  return `creates bare pod ${bare}`;
};

const deletePod: Act = async (scene) => {
  const pod = await somePod(scene);
  if (!pod) return undefined;
  const { name } = pod.metadata;
  await scene.client.delete(PODS, { name, namespace: scene.name });
  return `deletes pod ${name}`;
};

const scaleSome: Act = async (scene) => {
  const app = scene.dice.pick(scene.apps);
  const replicas = scene.dice.pick([0, 1, 2, 4, 6]);
  await scale(scene, app, replicas);
  return `scales ${app} to ${replicas}`;
};

const limitPool: Act = async ({ client, name, dice }) => {
  const limits = dice.chance(0.5) ? { cpu: '8' } : null;
  await client.patch(NODE_POOLS, { name }, { spec: { limits } });
  return `sets limits of the NodePool to ${JSON.stringify(limits)}`;
};

const budgetPool: Act = async ({ client, name, dice }) => {
  const nodes = dice.pick(['0', '1', '100%']);
  await client.patch(NODE_POOLS, { name }, { spec: { disruption: { budgets: [{ nodes }] } } });
  return `sets the NodePool's budget to ${nodes}`;
};

const setBudget = ({ client, name: namespace }: Scene, app: string, maxUnavailable: number | string) =>
  client.apply(
    POD_DISRUPTION_BUDGETS,
    {
      metadata: { name: app, namespace },
      spec: { maxUnavailable, selector: { matchLabels: { app } } },
    },
    { fieldManager: 'hostile', force: true },
  );

const editBudget: Act = async (scene) => {
  const app = scene.dice.pick(scene.apps);
  const maxUnavailable = scene.dice.pick([0, 1, '50%']);
  await setBudget(scene, app, maxUnavailable);
  return `sets maxUnavailable of ${app}'s budget to ${maxUnavailable}`;
};

const execute: Act = async (scene) => {
  const plan = await some(scene, REBALANCE_PLANS, ({ spec }) => spec.execute !== true);
  if (!plan) return undefined;
  await scene.client.patch(REBALANCE_PLANS, plan.metadata, { spec: { execute: true } });
  return `sets plan ${plan.metadata.name} to be executed`;
};

const cancel: Act = async (scene) => {
  const resource = scene.dice.pick<Resource>([REBALANCE_PLANS, REBALANCE_PLAN_CLAIMS]);
  const object = await some(scene, resource, () => true);
  if (!object) return undefined;
  await scene.client.patch(resource, object.metadata, annotate(CANCEL, 'true'));
  return `cancels ${resource.kind} ${object.metadata.name}`;
};

const deleteSome =
  (resource: Resource): Act =>
  async (scene) => {
    const object = await some(
      scene,
      resource,
      ({ metadata }) =>
        !metadata.deletionTimestamp &&
        (metadata.labels?.['karpenter.sh/nodepool'] ?? scene.name) === scene.name &&
        (resource !== NODES || metadata.labels?.['karpenter.sh/nodepool'] !== undefined),
    );
    if (!object) return undefined;
    await scene.client.delete(resource, { name: object.metadata.name });
    return `deletes ${resource.kind} ${object.metadata.name}`;
  };

/** As a lost machine ends it. */
const restart: Act = async ({ client, dice }) => {
  const app = dice.pick([KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER]);
  const namespace = 'castai-agent';
  const { items } = await client.list(PODS, { namespace, labelSelector: `app=${app}` });
  if (items.length === 0) return undefined;
  const { name } = dice.pick(items).metadata;
  await client.delete(PODS, { name, namespace }, { gracePeriodSeconds: 0 });
  return `kills ${name}`;
};

/** Each act with its weight. */
const ACTS: readonly (readonly [number, Act])[] = [
  [6, cordon],
  [6, uncordon],
  [3, taint],
  [2, annotateNode],
  [1, protectNode],
  [2, unprotectNode],
  [8, protectPod],
  [3, barePod],
  [8, deletePod],
  [10, scaleSome],
  [2, limitPool],
  [2, budgetPool],
  [8, editBudget],
  [6, execute],
  [1, cancel],
  [1, deleteSome(REBALANCE_PLANS)],
  [1, deleteSome(NODE_CLAIMS)],
  [1, deleteSome(NODES)],
  [4, restart],
];
const WEIGHTED = ACTS.flatMap(([weight, act]) => Array<Act>(weight).fill(act));

/** One random act; what was refused or gone meanwhile is no act. */
export const act = async (scene: Scene): Promise<string | undefined> => {
  const next = scene.dice.pick(WEIGHTED);
  try {
    return await next(scene);
  } catch (error) {
    return `is refused: ${String(error).slice(0, 160)}`;
  }
};
