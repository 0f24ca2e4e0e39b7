import { PIN } from '../api/labels.ts';
import type { Container, Pod } from '../api/objects.ts';

const slimContainer = ({ name, restartPolicy, resources, ports }: Container): Container =>
  ({ name, restartPolicy, resources, ports }) as Container;

/** The pod as JSON, without what can't keep it off a node: most of a pod is images, variables and probes. */
export const slimPod = ({ metadata, spec }: Pod): string => {
  const { name, generateName, labels, ownerReferences, annotations } = metadata;
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
    },
  });
};
