import type { Rendered } from './tools.ts';

/** The components of manifests/, each with the values by which Helm installs the same; for tests. */
export interface Way {
  /** A folder of manifests/components. */
  readonly component: string;
  /** The folder of manifests/overlays that is the base with this component; undefined where there is none. */
  readonly overlay: string | undefined;
  readonly values?: readonly string[];
  readonly ofCluster?: readonly string[];
}

const scaled = (replicas: number): readonly string[] =>
  ['castai-kentroller', 'castai-pod-pinner', 'castai-pod-pinner.webhook', 'castai-pod-pinner.keeper'].map(
    (at) => `--set=${at}.replicas=${replicas}`,
  );

const FILE = '/etc/precision-packer/instance-types';

/** Those that take something away come last: components change what those before them have brought. */
export const WAYS: readonly Way[] = [
  {
    component: 'second-scheduler',
    overlay: 'second-scheduler',
    values: ['--set=castai-pod-pinner.secondScheduler.enabled=true'],
  },
  {
    component: 'control-plane-scheduler',
    overlay: 'control-plane-scheduler',
    values: ['--set=castai-pod-pinner.controlPlaneSchedulers={192.0.2.0/24}'],
  },
  {
    component: 'eks',
    overlay: 'eks',
    values: [
      String.raw`--set=castai-kentroller.serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::111122223333:role/precision-packer`,
    ],
  },
  {
    component: 'policies-api',
    overlay: 'policies-api',
    values: ['--set=castai-kentroller.policiesApi.enabled=true'],
  },
  {
    component: 'kept-nominations',
    overlay: 'kept-nominations',
    ofCluster: ['--set=keptNominations.enabled=true'],
  },
  {
    component: 'soft-pins',
    overlay: 'soft-pins',
    ofCluster: ['--set=softPins.enabled=true'],
  },
  { component: 'monitoring', overlay: undefined, ofCluster: ['--set=monitoring.enabled=true'] },
  {
    component: 'coexistence',
    overlay: 'coexistence',
    values: ['--set-string=castai-pod-pinner.webhook.settings.COEXISTENCE=on'],
  },
  {
    component: 'kind',
    overlay: 'kind',
    values: [
      ...scaled(1),
      `--set=castai-kentroller.settings.INSTANCE_TYPES_FILE_PATH=${FILE}/instance_types.json`,
      '--set=castai-kentroller.extraVolumes[0].name=instance-types',
      '--set=castai-kentroller.extraVolumes[0].configMap.name=castai-kentroller-instance-types',
      '--set=castai-kentroller.extraVolumeMounts[0].name=instance-types',
      `--set=castai-kentroller.extraVolumeMounts[0].mountPath=${FILE}`,
      '--set=castai-kentroller.extraVolumeMounts[0].readOnly=true',
    ],
  },
  { component: 'processes', overlay: 'processes', values: scaled(0) },
  {
    component: 'without-policies',
    overlay: 'before-1.30',
    values: ['--set=castai-pod-pinner.secondScheduler.policies=false'],
    ofCluster: ['--set=policies.enabled=false'],
  },
];

const byName = (items: readonly unknown[]): readonly unknown[] =>
  (items as readonly { readonly name: string }[]).toSorted((a, b) => (a.name < b.name ? -1 : 1));

/** Lists whose order means nothing. */
const UNORDERED: ReadonlySet<string> = new Set(['volumes', 'volumeMounts']);

/** Objects without what is there by one way alone: the hash in a ConfigMap's name, and the one by which pods are replaced with their settings. */
export function comparable(objects: ReadonlyMap<string, Rendered>): Record<string, unknown> {
  const text = JSON.stringify([...objects].sort(([a], [b]) => (a < b ? -1 : 1)))
    .replaceAll(/(castai-scheduler-configuration)-[a-z0-9]{10}/g, '$1')
    .replaceAll(/"checksum\/settings":"[0-9a-f]{64}",/g, '');
  return Object.fromEntries(
    JSON.parse(text, (key, value: unknown) =>
      UNORDERED.has(key) && Array.isArray(value) ? byName(value) : value,
    ),
  );
}
