import { fields, flag, list, map, number, quantities, text } from './shape.ts';

/** Shapes that several kinds share. */

export const names = map(text);
export const texts = list(text);

export const metadata = fields(
  {
    name: text,
    namespace: text,
    uid: text,
    labels: names,
    annotations: names,
    creationTimestamp: text,
    deletionTimestamp: text,
    deletionGracePeriodSeconds: number,
    ownerReferences: list(
      fields({ kind: text, name: text, uid: text, apiVersion: text, controller: flag }, ['kind', 'name']),
    ),
  },
  ['name'],
);

const requirement = fields({ key: text, operator: text, values: texts, minValues: number }, [
  'key',
  'operator',
]);
export const requirements = list(requirement);
const nodeSelectorTerm = fields({ matchExpressions: requirements, matchFields: requirements });
export const nodeSelector = fields({ nodeSelectorTerms: list(nodeSelectorTerm) }, ['nodeSelectorTerms']);
export const labelSelector = fields({ matchLabels: names, matchExpressions: requirements });
export const taints = list(fields({ key: text, value: text, effect: text }, ['key', 'effect']));
export const conditions = list(fields({ type: text, status: text, reason: text }, ['type', 'status']));

const affinityTerm = fields(
  {
    topologyKey: text,
    labelSelector,
    namespaceSelector: labelSelector,
    namespaces: texts,
    matchLabelKeys: texts,
    mismatchLabelKeys: texts,
  },
  ['topologyKey'],
);
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';
const PREFERRED = 'preferredDuringSchedulingIgnoredDuringExecution';
const podAffinity = fields({
  [REQUIRED]: list(affinityTerm),
  [PREFERRED]: list(fields({ weight: number, podAffinityTerm: affinityTerm }, ['weight', 'podAffinityTerm'])),
});
const affinity = fields({
  nodeAffinity: fields({
    [REQUIRED]: nodeSelector,
    [PREFERRED]: list(fields({ weight: number, preference: nodeSelectorTerm }, ['weight', 'preference'])),
  }),
  podAffinity,
  podAntiAffinity: podAffinity,
});

export const resources = fields({
  requests: quantities,
  limits: quantities,
  claims: list(fields({ name: text })),
});
const containers = list(
  fields({
    name: text,
    restartPolicy: text,
    resources,
    ports: list(fields({ hostPort: number, hostIP: text, protocol: text })),
  }),
);
const volumes = list(
  fields({
    name: text,
    persistentVolumeClaim: fields({ claimName: text }, ['claimName']),
    ephemeral: fields({ volumeClaimTemplate: fields({ spec: fields({ storageClassName: text }) }) }),
    emptyDir: fields({ medium: text, sizeLimit: text }),
  }),
);
export const podSpec = fields(
  {
    nodeName: text,
    schedulerName: text,
    nodeSelector: names,
    affinity,
    tolerations: list(fields({ key: text, operator: text, value: text, effect: text })),
    topologySpreadConstraints: list(
      fields(
        {
          maxSkew: number,
          topologyKey: text,
          whenUnsatisfiable: text,
          labelSelector,
          minDomains: number,
          matchLabelKeys: texts,
        },
        ['maxSkew', 'topologyKey', 'whenUnsatisfiable'],
      ),
    ),
    containers,
    initContainers: containers,
    overhead: quantities,
    resources,
    volumes,
    resourceClaims: list(fields({ name: text })),
    schedulingGates: list(fields({ name: text })),
  },
  ['containers'],
);
