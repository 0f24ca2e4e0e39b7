import { PIN } from '../api/labels.ts';
import type { Container, Pod, Volume } from '../api/objects.ts';

const slimContainer = ({ name, restartPolicy, resources, ports }: Container): Container =>
  ({ name, restartPolicy, resources, ports }) as Container;

/** Sources of volumes that are made where the pod is; one of them has a random name in every pod. */
const MADE_THERE = ['projected', 'configMap', 'secret', 'downwardAPI', 'emptyDir'];

const isMadeThere = (volume: Volume): boolean => MADE_THERE.some((source) => volume[source] !== undefined);

const slimmed = ({ metadata, spec }: Pod, name: string | undefined): string => {
  const { generateName, labels, ownerReferences, annotations } = metadata;
  const pin = annotations?.[PIN];
  return JSON.stringify({
    metadata: {
      name,
      generateName,
      labels,
      ownerReferences,
      annotations: pin === undefined ? undefined : { [PIN]: pin },
    },
    spec: {
      ...spec,
      containers: spec.containers.map(slimContainer),
      initContainers: spec.initContainers?.map(slimContainer),
      volumes: spec.volumes?.filter((volume) => !isMadeThere(volume)),
    },
  });
};

/**
 * The pod as JSON, without what can't keep it off a node: most of a pod is images, variables, probes and volumes of its
 * own.
 */
export const slimPod = (pod: Pod): string => slimmed(pod, pod.metadata.name);

/** The same without the pod's name: what it has in common with others of its template. `slim` is from slimPod. */
export const shapeOf = (pod: Pod, slim: string): string =>
  pod.metadata.name === undefined ? slim : slimmed(pod, undefined);
