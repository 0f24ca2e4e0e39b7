import { type Field, type Message, message } from './message.ts';

/**
 * The fields of Kubernetes' messages that we read, by number. Source: generated.proto of k8s.io/api/core/v1 and
 * k8s.io/apimachinery/pkg/apis/meta/v1, v0.36.3; protobuf.test.ts compares them with api/objects.ts.
 */

/** Omitted where empty, as fields with omitempty are. */
const text = (name: string): Field => ({ name, kind: 'text', keepsZero: false });
const flag = (name: string): Field => ({ name, kind: 'flag', keepsZero: false });
const int = (name: string): Field => ({ name, kind: 'int', keepsZero: false });
/** Kept whenever it was sent: pointers, and fields without omitempty. */
const kept = (field: Field): Field => ({ ...field, keepsZero: true });
const texts = (name: string): Field => ({ name, kind: 'texts', keepsZero: true });
const time = (name: string): Field => ({ name, kind: 'time', keepsZero: true });
const quantity = (name: string): Field => ({ name, kind: 'quantity', keepsZero: true });
const textMap = (name: string): Field => ({ name, kind: 'textMap', keepsZero: true });
const quantityMap = (name: string): Field => ({ name, kind: 'quantityMap', keepsZero: true });
const one = (name: string, of: Message): Field => ({ name, kind: 'message', keepsZero: true, of });
const many = (name: string, of: Message): Field => ({ name, kind: 'messages', keepsZero: true, of });
/** Read for its presence only. */
const mark = (name: string): Field => one(name, message({}));

const ownerReference = message({
  5: kept(text('apiVersion')),
  1: kept(text('kind')),
  3: kept(text('name')),
  4: kept(text('uid')),
  6: kept(flag('controller')),
  7: kept(flag('blockOwnerDeletion')),
});

const objectMeta = message({
  1: text('name'),
  2: text('generateName'),
  3: text('namespace'),
  5: text('uid'),
  6: text('resourceVersion'),
  7: int('generation'),
  8: time('creationTimestamp'),
  9: time('deletionTimestamp'),
  10: kept(int('deletionGracePeriodSeconds')),
  11: textMap('labels'),
  12: textMap('annotations'),
  13: many('ownerReferences', ownerReference),
  14: texts('finalizers'),
});

const selectorRequirement = message({ 1: kept(text('key')), 2: kept(text('operator')), 3: texts('values') });
const labelSelector = message({
  1: textMap('matchLabels'),
  2: many('matchExpressions', selectorRequirement),
});

const nodeSelectorTerm = message({
  1: many('matchExpressions', selectorRequirement),
  2: many('matchFields', selectorRequirement),
});
const nodeSelector = message({ 1: many('nodeSelectorTerms', nodeSelectorTerm) });

const podAffinityTerm = message({
  1: one('labelSelector', labelSelector),
  2: texts('namespaces'),
  3: kept(text('topologyKey')),
  4: one('namespaceSelector', labelSelector),
  5: texts('matchLabelKeys'),
  6: texts('mismatchLabelKeys'),
});
const podAffinity = message({
  1: many('requiredDuringSchedulingIgnoredDuringExecution', podAffinityTerm),
  2: many(
    'preferredDuringSchedulingIgnoredDuringExecution',
    message({ 1: kept(int('weight')), 2: one('podAffinityTerm', podAffinityTerm) }),
  ),
});
const affinity = message({
  1: one(
    'nodeAffinity',
    message({
      1: one('requiredDuringSchedulingIgnoredDuringExecution', nodeSelector),
      2: many(
        'preferredDuringSchedulingIgnoredDuringExecution',
        message({ 1: kept(int('weight')), 2: one('preference', nodeSelectorTerm) }),
      ),
    }),
  ),
  2: one('podAffinity', podAffinity),
  3: one('podAntiAffinity', podAffinity),
});

const resources = message({
  1: quantityMap('limits'),
  2: quantityMap('requests'),
  3: many('claims', message({ 1: kept(text('name')), 2: text('request') })),
});

const container = message({
  1: kept(text('name')),
  6: many(
    'ports',
    message({
      1: text('name'),
      2: int('hostPort'),
      3: kept(int('containerPort')),
      4: text('protocol'),
      5: text('hostIP'),
    }),
  ),
  8: one('resources', resources),
  24: kept(text('restartPolicy')),
});

const toleration = message({
  1: text('key'),
  2: text('operator'),
  3: text('value'),
  4: text('effect'),
  5: kept(int('tolerationSeconds')),
});

const topologySpreadConstraint = message({
  1: kept(int('maxSkew')),
  2: kept(text('topologyKey')),
  3: kept(text('whenUnsatisfiable')),
  4: one('labelSelector', labelSelector),
  5: kept(int('minDomains')),
  6: kept(text('nodeAffinityPolicy')),
  7: kept(text('nodeTaintsPolicy')),
  8: texts('matchLabelKeys'),
});

const disk = (id: string): Message =>
  message({ 1: kept(text(id)), 2: text('fsType'), 3: int('partition'), 4: flag('readOnly') });

const volumeSource = message({
  1: one('hostPath', message({ 1: kept(text('path')), 2: kept(text('type')) })),
  2: one('emptyDir', message({ 1: text('medium'), 2: quantity('sizeLimit') })),
  3: one('gcePersistentDisk', disk('pdName')),
  4: one('awsElasticBlockStore', disk('volumeID')),
  5: mark('gitRepo'),
  6: mark('secret'),
  7: mark('nfs'),
  8: mark('iscsi'),
  9: mark('glusterfs'),
  10: one('persistentVolumeClaim', message({ 1: kept(text('claimName')), 2: flag('readOnly') })),
  11: mark('rbd'),
  12: mark('flexVolume'),
  13: mark('cinder'),
  14: mark('cephfs'),
  15: mark('flocker'),
  16: mark('downwardAPI'),
  17: mark('fc'),
  18: mark('azureFile'),
  19: mark('configMap'),
  20: mark('vsphereVolume'),
  21: mark('quobyte'),
  22: mark('azureDisk'),
  23: mark('photonPersistentDisk'),
  24: mark('portworxVolume'),
  25: mark('scaleIO'),
  26: mark('projected'),
  27: mark('storageos'),
  28: one('csi', message({ 1: kept(text('driver')), 2: kept(flag('readOnly')), 3: kept(text('fsType')) })),
  29: one(
    'ephemeral',
    message({
      1: one(
        'volumeClaimTemplate',
        message({
          1: one('metadata', objectMeta),
          2: one('spec', message({ 1: texts('accessModes'), 5: kept(text('storageClassName')) })),
        }),
      ),
    }),
  ),
  30: mark('image'),
});
const volume = message({
  1: kept(text('name')),
  2: { name: 'volumeSource', kind: 'inline', keepsZero: true, of: volumeSource },
});

const podSpec = message({
  1: many('volumes', volume),
  2: many('containers', container),
  4: kept(int('terminationGracePeriodSeconds')),
  7: textMap('nodeSelector'),
  8: text('serviceAccountName'),
  10: text('nodeName'),
  11: flag('hostNetwork'),
  18: one('affinity', affinity),
  19: text('schedulerName'),
  20: many('initContainers', container),
  22: many('tolerations', toleration),
  24: text('priorityClassName'),
  25: kept(int('priority')),
  31: kept(text('preemptionPolicy')),
  32: quantityMap('overhead'),
  33: many('topologySpreadConstraints', topologySpreadConstraint),
  38: many('schedulingGates', message({ 1: kept(text('name')) })),
  39: many(
    'resourceClaims',
    message({
      1: kept(text('name')),
      3: kept(text('resourceClaimName')),
      4: kept(text('resourceClaimTemplateName')),
    }),
  ),
  40: one('resources', resources),
  43: one('schedulingGroup', message({ 1: kept(text('podGroupName')) })),
});

/** PodCondition and NodeCondition have the fields that we read under the same numbers. */
const condition = message({
  1: kept(text('type')),
  2: kept(text('status')),
  4: time('lastTransitionTime'),
  5: text('reason'),
  6: text('message'),
});

const containerStatus = message({
  1: kept(text('name')),
  10: quantityMap('allocatedResources'),
  11: one('resources', resources),
});

const podStatus = message({
  1: text('phase'),
  2: many('conditions', condition),
  3: text('message'),
  4: text('reason'),
  7: time('startTime'),
  8: many('containerStatuses', containerStatus),
  10: many('initContainerStatuses', containerStatus),
  11: text('nominatedNodeName'),
  15: many('resourceClaimStatuses', message({ 1: kept(text('name')) })),
  18: one('extendedResourceClaimStatus', message({ 2: kept(text('resourceClaimName')) })),
  19: quantityMap('allocatedResources'),
  20: one('resources', resources),
});

const pod = message({ 1: one('metadata', objectMeta), 2: one('spec', podSpec), 3: one('status', podStatus) });

const node = message({
  1: one('metadata', objectMeta),
  2: one(
    'spec',
    message({
      3: text('providerID'),
      4: flag('unschedulable'),
      5: many(
        'taints',
        message({
          1: kept(text('key')),
          2: text('value'),
          3: kept(text('effect')),
          4: time('timeAdded'),
        }),
      ),
    }),
  ),
  3: one(
    'status',
    message({
      1: quantityMap('capacity'),
      2: quantityMap('allocatable'),
      4: many('conditions', condition),
      5: many('addresses', message({ 1: kept(text('type')), 2: kept(text('address')) })),
      7: one('nodeInfo', message({ 7: text('kubeletVersion') })),
    }),
  ),
});

/** The API server's Status in place of an object. */
export const STATUS = message({
  3: text('message'),
  4: text('reason'),
  5: one('details', message({ 5: int('retryAfterSeconds') })),
  6: int('code'),
});

/** The kinds that are read from protobuf, by 'group/kind'; all others come as JSON. */
export const MESSAGES: Readonly<Record<string, Message>> = { '/Pod': pod, '/Node': node };
