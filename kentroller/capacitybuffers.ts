import type { CapacityBuffer, ObjectMeta, Pod, PodSpec, Workload } from '../api/objects.ts';
import { valueAt } from '../api/records/valueat.ts';
import { CAPACITY_BUFFERS, POD_TEMPLATES, WORKLOADS } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { getOrUndefined, ignoreUnserved } from '../kube/ignore.ts';

/**
 * The pods that CapacityBuffers stand for, as Karpenter makes them in its memory (pkg/state/virtualpods): they need
 * room, so a node that has it is not empty.
 */

/** More chunks than one look at the cluster places. */
const MAX_PODS = 5_000;

interface Looking {
  readonly client: Pick<KubeClient, 'get' | 'list'>;
  readonly signal: AbortSignal;
  /** Pods that the headroom of the policies stands for; none where left out. */
  readonly headroom?: () => readonly Pod[];
}
export type Template = { readonly metadata?: Partial<ObjectMeta>; readonly spec: PodSpec };

const replicasOf = ({ status }: CapacityBuffer): number => {
  const isReady = status?.conditions?.some(
    ({ type, status: is }) => type === 'ReadyForProvisioning' && is === 'True',
  );
  return isReady ? (status?.replicas ?? 0) : 0;
};

/** A workload whose replicas are pods of a template; undefined for one that is not there, or of a kind that nobody scales. */
export const readWorkload = async (
  { client, signal }: Pick<Looking, 'client' | 'signal'>,
  { apiGroup, kind, name, namespace }: Record<'apiGroup' | 'kind' | 'name' | 'namespace', string>,
): Promise<Workload | undefined> => {
  const resource = valueAt(WORKLOADS, kind);
  if (!resource || (apiGroup !== '' && apiGroup !== 'apps')) return undefined;
  return getOrUndefined(client.get(resource, { name, namespace }, { signal }));
};

/** The pod template that a buffer names. */
const templateOf = async (
  looking: Looking,
  { metadata: { namespace = 'default' }, spec }: CapacityBuffer,
): Promise<Template | undefined> => {
  if (spec?.podTemplateRef) {
    const ref = { name: spec.podTemplateRef.name, namespace };
    return (await getOrUndefined(looking.client.get(POD_TEMPLATES, ref, { signal: looking.signal })))
      ?.template;
  }
  const { apiGroup = 'apps', kind = '', name = '' } = spec?.scalableRef ?? {};
  return (await readWorkload(looking, { apiGroup, kind, name, namespace }))?.spec?.template;
};

/** A template's pod without what binds it: its node, and volumes of claims that are not there. */
const unboundSpec = ({ nodeName: _, ...spec }: PodSpec): PodSpec => ({
  ...spec,
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
const podsOf = (
  { metadata: { name, namespace = 'default', uid = '' } }: CapacityBuffer,
  template: Template,
  count: number,
): readonly Pod[] => virtualPods({ name: `capacity-buffer-${name}`, namespace, uid }, template, count);

/** The pods that all CapacityBuffers and the headroom stand for, or why they can't be told. */
export interface BufferPods {
  readonly pods: readonly Pod[];
  readonly problem?: string;
}

export const readBufferPods = async (looking: Looking): Promise<BufferPods> => {
  const { client, signal } = looking;
  const list = await client.list(CAPACITY_BUFFERS, { signal }).catch(ignoreUnserved);
  const pods: Pod[] = [...(looking.headroom?.() ?? [])];
  for (const buffer of list?.items ?? []) {
    const count = replicasOf(buffer);
    if (count <= 0) continue;
    const template = await templateOf(looking, buffer);
    if (!template) continue;
    if (pods.length + count > MAX_PODS) {
      return { pods, problem: `CapacityBuffers ask for more than ${MAX_PODS} pods, which are not placed` };
    }
    pods.push(...podsOf(buffer, template, count));
  }
  return { pods };
};
