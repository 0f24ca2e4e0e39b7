import { KARPENTER_DO_NOT_DISRUPT } from '../../api/labels.ts';
import { hasJoined } from '../../api/nodes.ts';
import type { KubeObject, Node, Pod } from '../../api/objects.ts';
import * as resources from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { ignoreUnserved } from '../../kube/ignore.ts';
import { until } from '../../kube/testing/until.ts';

/**
 * What is left of ours in a cluster, one line each, found without the product's own list of marks: any word of our
 * domain, and what its marks bring about.
 */

const OURS = /[a-z.]*cast\.ai\/[A-Za-z-]+/g;

const ALL_KINDS = [
  'clusterroles',
  'clusterrolebindings',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'customresourcedefinitions',
  'flowschemas',
  'prioritylevelconfigurations',
  'namespaces',
] as const;
const PATHS: Readonly<Record<(typeof ALL_KINDS)[number], string>> = {
  clusterroles: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  clusterrolebindings: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  mutatingwebhookconfigurations: '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  validatingadmissionpolicies: '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
  validatingadmissionpolicybindings:
    '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings',
  mutatingadmissionpolicies: '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies',
  mutatingadmissionpolicybindings: '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings',
  customresourcedefinitions: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  flowschemas: '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas',
  prioritylevelconfigurations: '/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations',
  namespaces: '/api/v1/namespaces',
};

const wordsIn = (value: unknown): readonly string[] => [
  ...new Set(JSON.stringify(value ?? null).match(OURS) ?? []),
];

/** Metadata without its history, which names every field that ever was. */
const present = ({ metadata }: KubeObject): object => {
  const { managedFields: _, ...rest } = metadata as KubeObject['metadata'] & { managedFields?: unknown };
  return rest;
};

const ofNode = (node: Node): readonly string[] => [
  ...wordsIn([present(node), node.spec]),
  ...(node.spec?.unschedulable ? ['cordoned'] : []),
  ...(node.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined ? ['do-not-disrupt'] : []),
  ...(hasJoined(node) ? [] : ['no kubelet']),
];

/** Tolerations and affinity of a pod can't be taken away from it; gates, labels and annotations can. */
const ofPod = (pod: Pod): readonly string[] => [
  ...wordsIn([present(pod), pod.spec.schedulingGates]),
  ...(!pod.spec.nodeName && pod.status?.nominatedNodeName ? ['nominated'] : []),
];

/** A NodeClaim's spec can't be changed. */
const ofClaim = (claim: KubeObject): readonly string[] => [
  ...wordsIn(present(claim)),
  ...(claim.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined ? ['do-not-disrupt'] : []),
];

const list = async <T extends KubeObject>(client: KubeClient, resource: resources.Resource<T>) =>
  (await client.list(resource).catch(ignoreUnserved))?.items ?? [];

/** The marks of every node, pod, NodeClaim, NodePool and plan that stands, by kind, name and uid; none for most. */
export const marksByObject = async (
  client: KubeClient,
): Promise<ReadonlyMap<string, { readonly title: string; readonly marks: readonly string[] }>> => {
  const of =
    <T extends KubeObject>(kind: string, marksOf: (object: T) => readonly string[]) =>
    (object: T) => {
      const { name, uid } = object.metadata;
      return [`${kind}/${uid}`, { title: `${kind} ${name}`, marks: marksOf(object) }] as const;
    };
  const pods = (await list(client, resources.PODS)).filter((p) => p.metadata.namespace !== 'castai-agent');
  return new Map([
    ...(await list(client, resources.NODES)).map(of('Node', ofNode)),
    ...pods.map(of('Pod', ofPod)),
    ...(await list(client, resources.NODE_CLAIMS)).map(of('NodeClaim', ofClaim)),
    ...(await list(client, resources.NODE_POOLS)).map(of('NodePool', (pool) => wordsIn(pool))),
    ...(await list(client, resources.REBALANCE_PLANS)).map(
      of('RebalancePlan', ({ metadata }) => metadata.finalizers ?? []),
    ),
  ]);
};

/** Lines on nodes, pods, NodeClaims, NodePools and plans. */
export const marksLeft = async (client: KubeClient): Promise<readonly string[]> =>
  [...(await marksByObject(client)).values()].flatMap(({ title, marks }) =>
    marks.length === 0 ? [] : [`${title}: ${marks.join(', ')}`],
  );

/** Lines on objects that our manifests install, and on what they made. */
export const objectsLeft = async (client: KubeClient): Promise<readonly string[]> => {
  const lines: string[] = [];
  for (const kind of ALL_KINDS) {
    const { items } = await client.request<{ items: KubeObject[] }>('GET', PATHS[kind]);
    for (const { metadata } of items) {
      if (/castai|cast\.ai|precision-packer/.test(metadata.name)) lines.push(`${kind} ${metadata.name}`);
    }
  }
  const roles = await client.request<{ items: KubeObject[] }>(
    'GET',
    '/apis/rbac.authorization.k8s.io/v1/roles',
  );
  const leases = await list(client, resources.LEASES);
  const nodes = new Set((await list(client, resources.NODES)).map(({ metadata }) => metadata.name));
  for (const { metadata } of [...roles.items, ...leases]) {
    if (/castai/.test(`${metadata.namespace}/${metadata.name}`))
      lines.push(`${metadata.namespace}/${metadata.name}`);
  }
  for (const { metadata } of leases) {
    if (metadata.namespace === 'kube-node-lease' && !nodes.has(metadata.name)) {
      lines.push(`Lease ${metadata.name} of a Node that is not there`);
    }
  }
  return lines;
};

/** Everything of ours. */
export const remains = async (client: KubeClient): Promise<readonly string[]> => [
  ...(await objectsLeft(client)),
  ...(await marksLeft(client)),
];

/** Waits until nothing of ours is left; returns what still is after `timeoutMs`. */
export const remainsAfter = async (client: KubeClient, timeoutMs: number): Promise<readonly string[]> => {
  let left: readonly string[] = [];
  await until(
    'nothing of ours is left',
    async () => {
      left = await remains(client);
      return left.length === 0;
    },
    { timeoutMs, everyMs: 500 },
  ).catch(() => undefined);
  return left;
};
