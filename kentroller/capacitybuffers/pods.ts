import { isObjectName } from '../../api/identity/names.ts';
import type { CapacityBuffer, ObjectMeta, Pod, PodSpec, Workload } from '../../api/objects.ts';
import { isTrue } from '../../api/records/condition.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { CAPACITY_BUFFERS, POD_TEMPLATES, WORKLOADS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { getOrUndefined, ignoreUnserved } from '../../kube/ignore.ts';
import { withDefaults } from '../../planner/scheduling/daemonpods.ts';
import { MOST_CHUNKS } from './count.ts';

/**
 * The pods that CapacityBuffers stand for, as Karpenter makes them in its memory (pkg/state/virtualpods): they need
 * room, so a node that has it is not empty.
 */

/** Below every pod that is there and replicas to come, and above headroom: real pods take the room of chunks. */
const PRIORITY = -1_500_000_000;

interface Looking {
  readonly client: Pick<KubeClient, 'get' | 'list'>;
  readonly signal: AbortSignal;
  /** Pods that the headroom of the policies stands for; none where left out. */
  readonly headroom?: () => readonly Pod[];
}
export type Template = { readonly metadata?: Partial<ObjectMeta>; readonly spec: PodSpec };

const replicasOf = ({ status }: CapacityBuffer): number =>
  isTrue(status?.conditions, 'ReadyForProvisioning') ? (status?.replicas ?? 0) : 0;

/** The kind of a workload that is scaled; undefined for any other. */
const scalableOf = ({ apiGroup, kind }: { readonly apiGroup?: string | undefined; readonly kind: string }) =>
  apiGroup && apiGroup !== 'apps' ? undefined : valueAt(WORKLOADS, kind);

/** A workload whose replicas are pods of a template; undefined for one that is not there, or of a kind that nobody scales. */
export const readWorkload = async (
  { client, signal }: Pick<Looking, 'client' | 'signal'>,
  { apiGroup, kind, name, namespace }: Record<'apiGroup' | 'kind' | 'name' | 'namespace', string>,
): Promise<Workload | undefined> => {
  const resource = scalableOf({ apiGroup, kind });
  if (!resource || !isObjectName(name)) return undefined;
  return getOrUndefined(client.get(resource, { name, namespace }, { signal }));
};

/** What a buffer's chunks look like, with the generation of a PodTemplate or the replicas of a workload, or why nobody knows. */
export type Shape =
  | {
      readonly kind: 'known';
      readonly template: Template;
      readonly generation?: number;
      readonly scalableReplicas?: number;
    }
  | { readonly kind: 'unknown'; readonly reason: string; readonly message: string };

/** Reads the pod template that a buffer names. */
const readShape = async (
  { client, signal }: Pick<Looking, 'client' | 'signal'>,
  { metadata: { namespace = 'default' }, spec }: CapacityBuffer,
): Promise<Shape> => {
  const unknown = (reason: string, message: string): Shape => ({ kind: 'unknown', reason, message });
  if (spec?.podTemplateRef) {
    const { name } = spec.podTemplateRef;
    const found = isObjectName(name)
      ? await getOrUndefined(client.get(POD_TEMPLATES, { name, namespace }, { signal }))
      : undefined;
    if (!found?.template)
      return unknown('PodTemplateNotFound', `there is no PodTemplate ${namespace}/${name}`);
    const { generation } = found.metadata;
    return { kind: 'known', template: found.template, ...(generation !== undefined && { generation }) };
  }
  if (!spec?.scalableRef) return unknown('ResolutionFailed', 'neither podTemplateRef nor scalableRef is set');
  const { kind, name } = spec.scalableRef;
  if (!scalableOf(spec.scalableRef)) {
    const message = `scalableRef names a ${kind}, and only ${Object.keys(WORKLOADS).join(', ')} of apps are known`;
    return unknown('ResolutionFailed', message);
  }
  const found = await readWorkload({ client, signal }, { apiGroup: 'apps', kind, name, namespace });
  if (!found?.spec?.template)
    return unknown('ScalableRefNotFound', `there is no ${kind} ${namespace}/${name}`);
  return { kind: 'known', template: found.spec.template, scalableReplicas: found.spec.replicas ?? 1 };
};

/** Reads pod templates, each of them once: many buffers may name the same. */
export const shapeReader = (
  looking: Pick<Looking, 'client' | 'signal'>,
): ((buffer: CapacityBuffer) => Promise<Shape>) => {
  const known = new Map<string, Promise<Shape>>();
  return (buffer) => {
    const { podTemplateRef, scalableRef } = buffer.spec ?? {};
    const key = JSON.stringify([buffer.metadata.namespace, podTemplateRef?.name, scalableRef]);
    const shape = known.get(key) ?? readShape(looking, buffer);
    known.set(key, shape);
    return shape;
  };
};

/** A template's pod with the API server's defaults and without what binds it: its node, and volumes of claims that are not there. */
const unboundSpec = ({ nodeName: _, ...spec }: PodSpec): PodSpec => ({
  ...withDefaults(spec, []),
  ...(spec.volumes && {
    volumes: spec.volumes.filter((volume) => !volume.persistentVolumeClaim && !volume.ephemeral),
  }),
});

/** The name of a pod that is not there, which none that is there can have. */
export const virtualName = (of: string, number: number): string => `${of}:${number}`;

/** Pods of a template that nobody starts, as kube-scheduler leaves pods without room. */
export const virtualPods = (
  { name, namespace = 'default', uid = '', ...metadata }: ObjectMeta,
  template: Template,
  count: number,
): readonly Pod[] => {
  const spec = unboundSpec(template.spec);
  const labels = template.metadata?.labels ?? {};
  return Array.from({ length: count }, (_, index) => ({
    metadata: {
      ...metadata,
      name: virtualName(name, index + 1),
      namespace,
      uid: virtualName(uid, index + 1),
      labels,
    },
    spec,
    status: {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }],
    },
  }));
};

/** The pods of one buffer. */
export const chunksOf = (
  { metadata: { name, namespace = 'default', uid = '' } }: CapacityBuffer,
  { spec, ...template }: Template,
  count: number,
): readonly Pod[] =>
  virtualPods(
    { name: `capacity-buffer-${name}`, namespace, uid },
    { ...template, spec: { ...spec, priority: PRIORITY } },
    count,
  );

/** The pods that all CapacityBuffers and the headroom stand for, or why they can't be told. */
export interface BufferPods {
  readonly pods: readonly Pod[];
  readonly problem?: string;
}

export const readBufferPods = async (looking: Looking): Promise<BufferPods> => {
  const { client, signal } = looking;
  const list = await client.list(CAPACITY_BUFFERS, { signal }).catch(ignoreUnserved);
  const pods: Pod[] = [...(looking.headroom?.() ?? [])];
  const shapeOf = shapeReader(looking);
  for (const buffer of list?.items ?? []) {
    const count = replicasOf(buffer);
    if (count <= 0) continue;
    const shape = await shapeOf(buffer);
    if (shape.kind === 'unknown') continue;
    if (pods.length + count > MOST_CHUNKS) {
      return { pods, problem: `CapacityBuffers ask for more than ${MOST_CHUNKS} pods, which are not placed` };
    }
    pods.push(...chunksOf(buffer, shape.template, count));
  }
  return { pods };
};
