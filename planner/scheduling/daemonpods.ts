import type { Container, DaemonSet, LimitRange, Pod, PodSpec, ResourceList } from '../../api/objects.ts';
import { controllerOf } from '../../api/pods.ts';

type Defaults = readonly Pick<
  NonNullable<NonNullable<LimitRange['spec']>['limits']>[number],
  'default' | 'defaultRequest'
>[];

/** The first list with each resource, those of later ones beside it. */
const merged = (...lists: readonly (ResourceList | undefined)[]): ResourceList =>
  Object.fromEntries([...lists].reverse().flatMap((list) => Object.entries(list ?? {})));

const hasAny = (list: ResourceList | undefined): boolean => Object.keys(list ?? {}).length > 0;

/** A container with the requests that the API server and then LimitRanges fill in. */
const filled = (container: Container, defaults: Defaults): Container => {
  const { requests, limits } = container.resources ?? {};
  if (!hasAny(limits) && defaults.length === 0) return container;
  const all = merged(requests, limits, ...defaults.flatMap((each) => [each.defaultRequest, each.default]));
  return { ...container, resources: { ...container.resources, requests: all } };
};

/** The spec as the API server makes pods of it: what has a limit and no request requests its limit. */
export const withDefaults = (spec: PodSpec, defaults: Defaults): PodSpec => {
  const podLevel = spec.resources;
  return {
    ...spec,
    containers: spec.containers.map((each) => filled(each, defaults)),
    ...(spec.initContainers && { initContainers: spec.initContainers.map((each) => filled(each, defaults)) }),
    ...(podLevel && { resources: { ...podLevel, requests: merged(podLevel.requests, podLevel.limits) } }),
  };
};

/** The template's spec as a pod of the set shows it; the pod's own affinity names its node. */
const asPod = ({ nodeName: _, affinity: __, ...spec }: PodSpec, { affinity }: PodSpec): PodSpec => ({
  ...spec,
  ...(affinity && { affinity }),
});

const isNewer = (pod: Pod, than: Pod): boolean =>
  (pod.metadata.creationTimestamp ?? '') > (than.metadata.creationTimestamp ?? '');

const idOf = (namespace: string | undefined, name: string): string => `${namespace ?? 'default'}/${name}`;

/** Whether a pod is of a DaemonSet, by the uid of its owner, or by its name: files may have lost their uids. */
export const isPodOf = (pod: Pod, { metadata }: DaemonSet): boolean => {
  const owner = controllerOf(pod);
  if (owner?.kind !== 'DaemonSet') return false;
  return (
    (metadata.uid !== undefined && owner.uid === metadata.uid) ||
    idOf(pod.metadata.namespace, owner.name) === idOf(metadata.namespace, metadata.name)
  );
};

/**
 * DaemonSets whose templates ask for what their next pods will: as the newest pod of each does, else with the defaults of
 * the API server and of LimitRanges. Source: getDaemonSetPods in Karpenter's pkg/controllers/provisioning.
 */
export const effectiveDaemonSets = ({
  daemonSets,
  pods,
  limitRanges = [],
}: {
  readonly daemonSets: readonly DaemonSet[];
  readonly pods: readonly Pod[];
  readonly limitRanges?: readonly LimitRange[];
}): readonly DaemonSet[] => {
  if (daemonSets.length === 0) return daemonSets;
  const byName = new Map<string, Pod[]>();
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (owner?.kind !== 'DaemonSet') continue;
    const id = idOf(pod.metadata.namespace, owner.name);
    const known = byName.get(id);
    if (known) known.push(pod);
    else byName.set(id, [pod]);
  }
  return daemonSets.map((set) => {
    const { template } = set.spec;
    let newest: Pod | undefined;
    for (const pod of byName.get(idOf(set.metadata.namespace, set.metadata.name)) ?? []) {
      if (!newest || isNewer(pod, newest)) newest = pod;
    }
    const defaults = limitRanges
      .filter(({ metadata }) => (metadata.namespace ?? 'default') === (set.metadata.namespace ?? 'default'))
      .flatMap(({ spec }) => (spec?.limits ?? []).filter(({ type }) => type === 'Container'));
    const spec = newest ? asPod(newest.spec, template.spec) : template.spec;
    return { ...set, spec: { ...set.spec, template: { ...template, spec: withDefaults(spec, defaults) } } };
  });
};
