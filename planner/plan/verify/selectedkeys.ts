import { REGION, ZONE } from '../../../api/labels.ts';
import type { NodeSelector, Pod } from '../../../api/objects.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { requiredAffinity, requiredAntiAffinity } from '../../scheduling/interpodaffinity.ts';
import { requiredSpread } from '../../scheduling/topologyspread.ts';

/** Label keys by which pods select nodes: nodes with the same values for them are alike to every pod. */
export interface SelectedKeys {
  readonly all: readonly string[];
  /** Keys that divide nodes into domains of affinity and spread. */
  readonly topology: readonly string[];
}

const addSelector = (keys: Set<string>, selector: NodeSelector | undefined): void => {
  for (const { matchExpressions } of selector?.nodeSelectorTerms ?? []) {
    for (const { key } of matchExpressions ?? []) keys.add(key);
  }
};

const addSpec = (keys: Set<string>, spec: Pod['spec']): void => {
  for (const key in spec.nodeSelector) keys.add(key);
  addSelector(keys, spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution);
};

const addVolumes = (keys: Set<string>, { persistentVolumes, storageClasses }: Snapshot): void => {
  for (const key of [ZONE, REGION]) keys.add(key);
  for (const { metadata, spec } of persistentVolumes) {
    for (const key in metadata.labels) keys.add(key);
    addSelector(keys, spec?.nodeAffinity?.required);
  }
  for (const { allowedTopologies } of storageClasses) {
    for (const { matchLabelExpressions } of allowedTopologies ?? []) {
      for (const { key } of matchLabelExpressions ?? []) keys.add(key);
    }
  }
};

/** Collects the keys that arriving pods, DaemonSets and volumes select by, and the topology keys of all pods' rules. */
export const selectedKeys = (
  snapshot: Snapshot,
  arrivals: readonly Pod[],
  everyPod: readonly Pod[],
): SelectedKeys => {
  const all = new Set<string>();
  const topology = new Set<string>();
  for (const { spec } of arrivals) {
    if (spec.nodeSelector || spec.affinity) addSpec(all, spec);
  }
  for (const set of snapshot.daemonSets) addSpec(all, set.spec.template.spec);
  if (
    arrivals.some(({ spec }) =>
      (spec.volumes ?? []).some((each) => each.persistentVolumeClaim ?? each.ephemeral),
    )
  ) {
    addVolumes(all, snapshot);
  }
  for (const pod of everyPod) {
    if (!pod.spec.affinity && !pod.spec.topologySpreadConstraints) continue;
    for (const { topologyKey } of [
      ...requiredAffinity(pod),
      ...requiredAntiAffinity(pod),
      ...requiredSpread(pod),
    ]) {
      topology.add(topologyKey);
    }
  }
  for (const key of topology) all.add(key);
  return { all: [...all], topology: [...topology] };
};
