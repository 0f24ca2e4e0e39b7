import type { Container, Pod, PodSpec, PodStatus, ResourceList, Volume } from '../../api/objects.ts';
import { Share } from './intern.ts';
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

// Each pod's token volume has a name of its own, and none of these can keep a pod off a node.
const PLACELESS = ['configMap', 'secret', 'projected', 'downwardAPI', 'image'];

const trimVolumes = (raw: readonly Volume[]): Volume[] =>
  raw.filter((v) => !PLACELESS.some((kind) => v[kind]));

/** A pod's spec as fit, planning and pinning read it; what pods share is one frozen object. */
export const trimPodSpec = (raw: PodSpec, share: Share): PodSpec => {
  const common = {
    schedulerName: share.text(raw.schedulerName ?? ''),
    containers: share.value(raw.containers.map(trimContainer)),
    tolerations: share.value(raw.tolerations ?? []),
    serviceAccountName: share.text(raw.serviceAccountName ?? ''),
    priority: raw.priority ?? 0,
    terminationGracePeriodSeconds: raw.terminationGracePeriodSeconds ?? 30,
    preemptionPolicy: share.text(raw.preemptionPolicy ?? 'PreemptLowerPriority'),
  };
  const spec: Mutable<PodSpec> = raw.nodeName ? { nodeName: share.text(raw.nodeName), ...common } : common;
  if (raw.initContainers) spec.initContainers = share.value(raw.initContainers.map(trimContainer));
  const volumes = raw.volumes ? trimVolumes(raw.volumes) : [];
  if (volumes.length > 0) spec.volumes = share.value(volumes);
  if (raw.nodeSelector) spec.nodeSelector = share.value(raw.nodeSelector);
  if (raw.affinity) spec.affinity = share.value(raw.affinity);
  if (raw.topologySpreadConstraints)
    spec.topologySpreadConstraints = share.value(raw.topologySpreadConstraints);
  if (raw.overhead) spec.overhead = share.value(raw.overhead);
  if (raw.resources) spec.resources = share.value(raw.resources);
  if (raw.resourceClaims) spec.resourceClaims = raw.resourceClaims;
  if (raw.schedulingGates) spec.schedulingGates = share.value(raw.schedulingGates);
  if (raw.schedulingGroup) spec.schedulingGroup = raw.schedulingGroup;
  if (raw.hostNetwork) spec.hostNetwork = true;
  if (raw.priorityClassName) spec.priorityClassName = share.text(raw.priorityClassName);
  return spec;
};

const isSame = (a: ResourceList | undefined, b: ResourceList | undefined): boolean => {
  const keys = Object.keys(a ?? {});
  return keys.length === Object.keys(b ?? {}).length && keys.every((k) => a?.[k] === b?.[k]);
};

/** Container statuses that say something else than the spec: those of a resize under way. */
const resized = (raw: Pod): PodStatus['containerStatuses'] =>
  raw.status?.containerStatuses?.flatMap((s) => {
    const asked = [...raw.spec.containers, ...(raw.spec.initContainers ?? [])].find((c) => c.name === s.name);
    const requests = asked?.resources?.requests;
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

const trimStatus = (raw: Pod, share: Share): PodStatus => {
  const { status = {} } = raw;
  const trimmed: Mutable<PodStatus> = { phase: status.phase ?? 'Pending' };
  if (status.startTime) trimmed.startTime = share.text(status.startTime);
  if (status.reason) trimmed.reason = share.text(status.reason);
  if (status.message) trimmed.message = status.message;
  if (status.nominatedNodeName) trimmed.nominatedNodeName = share.text(status.nominatedNodeName);
  if (status.conditions)
    trimmed.conditions = share.value(
      status.conditions.map((c) => ({
        type: c.type,
        status: c.status,
        ...(c.reason ? { reason: c.reason } : {}),
        // Since when something holds is asked of what is wrong; left out elsewhere, healthy pods share one list.
        ...(c.status !== 'True' || c.type === 'DisruptionTarget'
          ? {
              ...(c.message ? { message: c.message } : {}),
              ...(c.lastTransitionTime ? { lastTransitionTime: c.lastTransitionTime } : {}),
            }
          : {}),
      })),
    );
  const statuses = resized(raw);
  if (statuses?.length) trimmed.containerStatuses = statuses;
  if (status.resources?.requests && !isSame(status.resources.requests, raw.spec.resources?.requests))
    trimmed.resources = { requests: status.resources.requests };
  return trimmed;
};

/** A pod cut down to what fit, owner matching and status need. */
export const trimPod = (raw: Pod, share: Share = new Share()): Pod => ({
  metadata: trimMeta(raw.metadata, share),
  spec: trimPodSpec(raw.spec, share),
  status: trimStatus(raw, share),
});
