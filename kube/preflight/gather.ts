import type { PublishedSchema } from '../../api/kinds/published.ts';
import { GROUP, INSTALL_NAMESPACE, POD_PINNER_WEBHOOK } from '../../api/labels.ts';
import type { KubeObject, NodeClassObject, NodePool } from '../../api/objects.ts';
import {
  DEPLOYMENTS,
  MUTATING_WEBHOOK_CONFIGURATIONS,
  NODE_CLASSES,
  NODE_POOLS,
  PODS,
  type Resource,
} from '../../api/resources.ts';
import { isNotFound, isRetryable, isUnserved, KubeError, messageOf } from '../errors.ts';
import { type Found, isSeen, look } from './check.ts';
import type {
  ClusterFacts,
  DeploymentObject,
  InstallFacts,
  MissingRights,
  PoolFact,
  PublishedSchemas,
  Reading,
  ServerVersion,
  WebhookAnswer,
} from './facts.ts';
import { isOurComponent } from './installation.ts';
import { findOutside } from './installed.ts';
import { askAccounts, grantedRights, rightText } from './rights.ts';
import { getIfServed, readServed, servedName } from './served.ts';

/** Why no machine can be had from a NodePool, as the planner sees it. */
export type PoolBlocker = (pool: NodePool, nodeClass?: NodeClassObject) => string | undefined;

const POLICIES: Resource<KubeObject> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicy',
  plural: 'validatingadmissionpolicies',
  namespaced: false,
};

interface PolicyBinding extends KubeObject {
  readonly spec?: { readonly policyName?: string; readonly validationActions?: readonly string[] };
}

const BINDINGS: Resource<PolicyBinding> = {
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingAdmissionPolicyBinding',
  plural: 'validatingadmissionpolicybindings',
  namespaced: false,
};

/** Names of the policies that a binding enforces. */
const readEnforced = async ({ client, signal }: Reading): Promise<readonly string[]> =>
  (await client.list(BINDINGS, { signal })).items.flatMap(({ spec }) =>
    spec?.policyName !== undefined && spec.validationActions?.includes('Deny') ? [spec.policyName] : [],
  );

const readVersion = ({ client, signal }: Reading): Promise<ServerVersion> =>
  client.request<ServerVersion>('GET', '/version', { signal });

interface OpenApi {
  readonly components?: {
    readonly schemas?: Readonly<
      Record<
        string,
        PublishedSchema & {
          readonly 'x-kubernetes-group-version-kind'?: readonly { readonly kind: string }[];
        }
      >
    >;
  };
}

/** Our kinds as the API server publishes them; no right to read CRDs is needed. */
export const readSchemas = async (o: Reading): Promise<PublishedSchemas> => {
  const document = await getIfServed<OpenApi>(o, `/openapi/v3/apis/${GROUP}/v1alpha`);
  return new Map(
    Object.values(document?.components?.schemas ?? {}).flatMap((schema) =>
      (schema['x-kubernetes-group-version-kind'] ?? []).map(({ kind }) => [kind, schema] as const),
    ),
  );
};

/** What a NodePool gives; `classes` has all NodeClasses of each kind that is known. */
export const poolFactOf = (
  pool: NodePool,
  classes: ReadonlyMap<string, readonly NodeClassObject[]>,
  blockerOf: PoolBlocker,
): PoolFact => {
  const { name } = pool.metadata;
  const ref = pool.spec.template.spec.nodeClassRef;
  const ofKind = classes.get(ref.kind);
  const nodeClass = ofKind?.find(({ metadata }) => metadata.name === ref.name);
  const blocker =
    ofKind && !nodeClass
      ? `launches nothing: its ${ref.kind} ${ref.name} does not exist`
      : blockerOf(pool, nodeClass);
  return { name, ...(blocker !== undefined && { blocker }) };
};

const readPools = async (
  { client, signal }: Reading,
  served: Found<ReadonlySet<string>>,
  blockerOf: PoolBlocker,
): Promise<readonly PoolFact[]> => {
  const { items } = await client.list(NODE_POOLS, { signal });
  const kinds = NODE_CLASSES.filter((kind) => isSeen(served) && served.value.has(servedName(kind)));
  const classes = new Map(
    await Promise.all(
      kinds.map(
        async (resource) => [resource.kind, (await client.list(resource, { signal })).items] as const,
      ),
    ),
  );
  return items.map((pool) => poolFactOf(pool, classes, blockerOf));
};

export const readDeployments = async (
  { client, signal }: Reading,
  o: { readonly namespace?: string; readonly labelSelector?: string },
): Promise<readonly DeploymentObject[]> =>
  (await client.list<KubeObject>(DEPLOYMENTS as Resource<KubeObject>, { ...o, signal }))
    .items as readonly DeploymentObject[];

/** What everyone may ask an API server for. */
export const gatherServer = async (
  o: Reading,
): Promise<Pick<ClusterFacts, 'version' | 'served' | 'schemas'>> => {
  const [version, served, schemas] = await Promise.all([
    look(() => readVersion(o)),
    look(() => readServed(o, [NODE_POOLS, ...NODE_CLASSES])),
    look(() => readSchemas(o)),
  ]);
  return { version, served, schemas };
};

/** What a cluster shows of itself, whether we are installed or not. */
export const gatherCluster = async (o: Reading, blockerOf: PoolBlocker): Promise<ClusterFacts> => {
  const server = await gatherServer(o);
  const [karpenter, pools] = await Promise.all([
    look(() => readDeployments(o, { labelSelector: 'app.kubernetes.io/name=karpenter' })),
    look(() => readPools(o, server.served, blockerOf)),
  ]);
  return { ...server, karpenter, pools };
};

/** Asks the webhook by way of the API server: any answer of its own will do, such as the 404 of a path that it does not serve. */
const callWebhook = async ({ client, signal }: Reading, namespace: string): Promise<WebhookAnswer> => {
  const path = `/api/v1/namespaces/${namespace}/services/https:${POD_PINNER_WEBHOOK}:443/proxy/`;
  try {
    await client.request('GET', path, { signal });
    return { kind: 'answers' };
  } catch (error) {
    // Without a status it was the API server that could not be reached.
    if (!(error instanceof KubeError) || error.status === undefined) throw error;
    // The API server's own answers carry a reason; the webhook's, which it passes on, have none.
    if (isUnserved(error) && error.reason === undefined) return { kind: 'answers' };
    if (isNotFound(error) || isRetryable(error)) return { kind: 'silent', reason: messageOf(error) };
    throw error;
  }
};

/** What each of our accounts lacks; an empty list for one that lacks nothing. */
const missingRights = async ({ client, signal }: Reading, namespace: string): Promise<MissingRights> => {
  const missing = await askAccounts(client, { namespace, signal });
  const accounts = [...new Set(grantedRights(namespace).map(({ account }) => account))];
  return new Map(
    accounts.map((account) => [account, missing.filter((right) => right.account === account).map(rightText)]),
  );
};

/** What an installation in a namespace consists of and how it is; undefined where none of our Deployments is there. */
export const gatherInstallation = async (
  o: Reading,
  namespace: string = INSTALL_NAMESPACE,
): Promise<InstallFacts | undefined> => {
  const deployments = await look(() => readDeployments(o, { namespace }));
  if (isSeen(deployments) && !deployments.value.some(({ metadata }) => isOurComponent(metadata.name))) {
    return undefined;
  }
  const { client, signal } = o;
  const [pods, missing, policies, enforced, outside, configurations, answer] = await Promise.all([
    look(async () => (await client.list(PODS, { namespace, signal })).items),
    look(() => missingRights(o, namespace)),
    look(async () => (await client.list(POLICIES, { signal })).items.map(({ metadata }) => metadata.name)),
    look(() => readEnforced(o)),
    look(() => findOutside(o, namespace)),
    readConfigurations(o),
    look(() => callWebhook(o, namespace)),
  ]);
  return { namespace, deployments, pods, missing, policies, enforced, outside, configurations, answer };
};

export const readConfigurations = ({ client, signal }: Reading): Promise<InstallFacts['configurations']> =>
  look(async () => (await client.list(MUTATING_WEBHOOK_CONFIGURATIONS, { signal })).items);
