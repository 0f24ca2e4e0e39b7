import { valueAt } from '../../../api/records/valueat.ts';

/** In-tree volume sources and provisioners that a CSI driver serves: field of the source, driver, field of its handle. */
const MIGRATED: readonly (readonly [field: string, plugin: string, driver: string, handle: string])[] = [
  ['awsElasticBlockStore', 'kubernetes.io/aws-ebs', 'ebs.csi.aws.com', 'volumeID'],
  ['gcePersistentDisk', 'kubernetes.io/gce-pd', 'pd.csi.storage.gke.io', 'pdName'],
  ['azureDisk', 'kubernetes.io/azure-disk', 'disk.csi.azure.com', 'diskName'],
  ['azureFile', 'kubernetes.io/azure-file', 'file.csi.azure.com', 'shareName'],
  ['cinder', 'kubernetes.io/cinder', 'cinder.csi.openstack.org', 'volumeID'],
  ['vsphereVolume', 'kubernetes.io/vsphere-volume', 'csi.vsphere.vmware.com', 'volumePath'],
  ['portworxVolume', 'kubernetes.io/portworx-volume', 'pxd.portworx.com', 'volumeID'],
];

/** The CSI driver that attaches a volume source, in-tree sources included, and the volume's handle there. */
export const attachmentOf = (
  source: Readonly<Record<string, unknown>> | undefined,
): readonly [driver: string, handle: string] | undefined => {
  for (const [field, , driver, handle] of MIGRATED) {
    const of = valueAt(source, field);
    if (typeof of !== 'object' || of === null) continue;
    return [driver, String(valueAt(of as Record<string, unknown>, handle) ?? '')];
  }
  return undefined;
};

/** The CSI driver that serves a provisioner. */
export const driverOf = (provisioner: string): string =>
  MIGRATED.find(([, plugin]) => plugin === provisioner)?.[2] ?? provisioner;

/** Whether a volume source is of an in-tree plugin that a CSI driver serves. */
export const isMigrated = (source: object): boolean =>
  MIGRATED.some(([field]) => Object.hasOwn(source, field));
