import type {
  Container,
  ContainerStatus,
  Pod,
  PodSpec,
  PodStatus,
  ResourceList,
  Volume,
} from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { Interner } from './intern.ts';
import { type Mutable, trimMeta } from './trimmeta.ts';

const trimContainer = (raw: Container): Container => {
  const { requests, limits, claims } = raw.resources ?? {};
  const hostPorts = raw.ports?.filter((p) => p.hostPort);
  return {
    name: raw.name,
    ...(raw.restartPolicy ? { restartPolicy: raw.restartPolicy } : {}),
    resources: {
      ...(requests ? { requests } : {}),
      ...(limits ? { limits } : {}),
      ...(claims ? { claims } : {}),
    },
    ...(hostPorts?.length ? { ports: hostPorts } : {}),
  };
};

// Each pod's token volume has its own name, and these volumes never keep a pod off a node.
const PLACELESS = ['configMap', 'secret', 'projected', 'downwardAPI', 'image'];

const trimVolumes = (raw: readonly Volume[]): Volume[] =>
  raw.filter((v) => !PLACELESS.some((kind) => valueAt(v, kind)));

/** A pod's spec as fit, planning and pinning read it; equal parts of pods are one frozen object. */
export const trimPodSpec = (raw: PodSpec, interner: Interner): PodSpec => {
  const common = {
    schedulerName: interner.text(raw.schedulerName ?? ''),
    containers: interner.value(raw.containers.map(trimContainer)),
    tolerations: interner.value(raw.tolerations ?? []),
    serviceAccountName: interner.text(raw.serviceAccountName ?? ''),
    priority: raw.priority ?? 0,
    terminationGracePeriodSeconds: raw.terminationGracePeriodSeconds ?? 30,
    preemptionPolicy: interner.text(raw.preemptionPolicy ?? 'PreemptLowerPriority'),
  };
  const spec: Mutable<PodSpec> = raw.nodeName ? { nodeName: interner.text(raw.nodeName), ...common } : common;
  if (raw.initContainers) spec.initContainers = interner.value(raw.initContainers.map(trimContainer));
  const volumes = raw.volumes ? trimVolumes(raw.volumes) : [];
  if (volumes.length > 0) spec.volumes = interner.value(volumes);
  if (raw.nodeSelector) spec.nodeSelector = interner.value(raw.nodeSelector);
  if (raw.affinity) spec.affinity = interner.value(raw.affinity);
  if (raw.topologySpreadConstraints)
    spec.topologySpreadConstraints = interner.value(raw.topologySpreadConstraints);
  if (raw.overhead) spec.overhead = interner.value(raw.overhead);
  if (raw.resources) spec.resources = interner.value(raw.resources);
  if (raw.resourceClaims)
    spec.resourceClaims = interner.value(raw.resourceClaims.map(({ name }) => ({ name })));
  if (raw.schedulingGates) spec.schedulingGates = interner.value(raw.schedulingGates);
  if (raw.schedulingGroup) spec.schedulingGroup = raw.schedulingGroup;
  if (raw.hostNetwork) spec.hostNetwork = true;
  if (raw.priorityClassName) spec.priorityClassName = interner.text(raw.priorityClassName);
  return spec;
};

const isSame = (a: ResourceList | undefined, b: ResourceList | undefined): boolean => {
  const keys = Object.keys(a ?? {});
  return keys.length === Object.keys(b ?? {}).length && keys.every((k) => valueAt(a, k) === valueAt(b, k));
};

/** Container statuses that differ from the spec: those of a resize in progress. */
const resized = (
  containers: readonly Container[] = [],
  statuses: readonly ContainerStatus[] = [],
): ContainerStatus[] =>
  statuses.flatMap((s) => {
    const requests = containers.find((c) => c.name === s.name)?.resources?.requests;
    const hasOther =
      (s.resources !== undefined && !isSame(s.resources.requests, requests)) ||
      (s.allocatedResources !== undefined && !isSame(s.allocatedResources, requests));
    if (!hasOther) return [];
    return [
      {
        name: s.name,
        ...(s.resources?.requests ? { resources: { requests: s.resources.requests } } : {}),
        ...(s.allocatedResources ? { allocatedResources: s.allocatedResources } : {}),
      },
    ];
  });

/** Resources of the pod as a whole that differ from the spec. */
const resizedAsWhole = ({ spec, status }: Pod): Pick<PodStatus, 'resources' | 'allocatedResources'> => {
  const requested = spec.resources?.requests;
  const { resources, allocatedResources } = status ?? {};
  const hasOther =
    (resources?.requests !== undefined && !isSame(resources.requests, requested)) ||
    (allocatedResources !== undefined && !isSame(allocatedResources, requested));
  if (!hasOther) return {};
  return {
    ...(resources?.requests ? { resources: { requests: resources.requests } } : {}),
    ...(allocatedResources ? { allocatedResources } : {}),
  };
};

const trimStatus = (raw: Pod, interner: Interner): PodStatus => {
  const { status = {} } = raw;
  const trimmed: Mutable<PodStatus> = { phase: status.phase ?? 'Pending' };
  if (status.startTime) trimmed.startTime = interner.text(status.startTime);
  if (status.reason) trimmed.reason = interner.text(status.reason);
  if (status.message) trimmed.message = status.message;
  if (status.nominatedNodeName) trimmed.nominatedNodeName = interner.text(status.nominatedNodeName);
  if (status.conditions)
    trimmed.conditions = interner.value(
      status.conditions.map((c) => ({
        type: c.type,
        status: c.status,
        ...(c.reason ? { reason: c.reason } : {}),
        // The transition time matters only where something is wrong; without it, healthy pods share one list.
        ...(c.status !== 'True' || c.type === 'DisruptionTarget'
          ? {
              ...(c.message ? { message: c.message } : {}),
              ...(c.lastTransitionTime ? { lastTransitionTime: c.lastTransitionTime } : {}),
            }
          : {}),
      })),
    );
  const statuses = resized(raw.spec.containers, status.containerStatuses);
  if (statuses.length > 0) trimmed.containerStatuses = statuses;
  const ofInit = resized(raw.spec.initContainers, status.initContainerStatuses);
  if (ofInit.length > 0) trimmed.initContainerStatuses = ofInit;
  Object.assign(trimmed, resizedAsWhole(raw));
  if (status.resourceClaimStatuses?.length)
    trimmed.resourceClaimStatuses = status.resourceClaimStatuses.map(({ name }) => ({ name }));
  const claim = status.extendedResourceClaimStatus?.resourceClaimName;
  if (claim) trimmed.extendedResourceClaimStatus = { resourceClaimName: claim };
  return trimmed;
};

/** A pod reduced to what fit, owner matching and status need. */
export const trimPod = (raw: Pod, interner: Interner = new Interner()): Pod => ({
  metadata: trimMeta(raw.metadata, interner),
  spec: trimPodSpec(raw.spec, interner),
  status: trimStatus(raw, interner),
});
