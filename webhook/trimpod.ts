import { PIN } from '../api/labels.ts';
import type { Container, Pod, Volume } from '../api/objects.ts';
import { valueAt } from '../api/records/valueat.ts';

const trimContainer = ({ name, restartPolicy, resources, ports }: Container): Container =>
  ({ name, restartPolicy, resources, ports }) as Container;

/** Volume sources that fit on any node; the projected token volume even has a random name in every pod. */
const NODE_LOCAL_SOURCES = ['projected', 'configMap', 'secret', 'downwardAPI', 'emptyDir'];

const isNodeLocal = (volume: Volume): boolean =>
  NODE_LOCAL_SOURCES.some((source) => valueAt(volume, source) !== undefined);

const trimAs = ({ metadata, spec }: Pod, name: string | undefined): string => {
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
      containers: spec.containers.map(trimContainer),
      initContainers: spec.initContainers?.map(trimContainer),
      volumes: spec.volumes?.filter((volume) => !isNodeLocal(volume)),
    },
  });
};

/** The pod as JSON, without fields that never decide whether it fits on a node: images, variables, probes and others. */
export const trimPod = (pod: Pod): string => trimAs(pod, pod.metadata.name);

/** A key that is equal for pods of one template: `trimmed`, the result of trimPod, without the pod's name. */
export const templateKeyOf = (pod: Pod, trimmed: string): string =>
  pod.metadata.name === undefined ? trimmed : trimAs(pod, undefined);
