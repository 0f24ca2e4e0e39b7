import {
  ARCH,
  INSTANCE_TYPE,
  KARPENTER_INITIALIZED,
  KARPENTER_REGISTERED,
  OS,
  REGION,
  ZONE,
} from '../../api/labels.ts';
import { putAt, valueAt } from '../../api/records/valueat.ts';

type Labels = Readonly<Record<string, string>>;

/** Older and driver-specific keys, each with the key that means the same; every node gets both with one value. */
const CANONICAL: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': ZONE,
  'failure-domain.beta.kubernetes.io/region': REGION,
  'beta.kubernetes.io/arch': ARCH,
  'beta.kubernetes.io/os': OS,
  'beta.kubernetes.io/instance-type': INSTANCE_TYPE,
};

/** Keys by which CSI drivers name zones and regions: the driver's node plugin gives them to each of its nodes. */
const OF_DRIVERS: Readonly<Record<string, string>> = {
  'topology.ebs.csi.aws.com/zone': ZONE,
  'topology.gke.io/zone': ZONE,
  'topology.disk.csi.azure.com/zone': ZONE,
  'topology.cinder.csi.openstack.org/zone': ZONE,
  'topology.diskplugin.csi.alibabacloud.com/zone': ZONE,
  'csi.hetzner.cloud/location': ZONE,
  'topology.linode.com/region': REGION,
  'region.topology.kubernetes.io/region': REGION,
};

const ALIASES: Readonly<Record<string, string>> = { ...CANONICAL, ...OF_DRIVERS };
const ALIAS_LIST: readonly (readonly [string, string])[] = Object.entries(ALIASES);

/** The key that means the same and that catalogue and claims use; the key itself where there is none. */
export const canonicalKey = (key: string): string => valueAt(ALIASES, key) ?? key;

/** Labels of a machine that is yet to be bought, with every key that means the same as one of them. */
export const withAliases = (labels: Labels): Labels => {
  const all: Record<string, string> = { ...labels };
  for (const [alias, key] of ALIAS_LIST) {
    const value = valueAt(labels, key);
    if (value !== undefined && valueAt(all, alias) === undefined) putAt(all, alias, value);
  }
  return all;
};

/** Labels that Karpenter gives to each of its nodes once it has joined. */
export const OF_EVERY_NODE: Labels = { [KARPENTER_REGISTERED]: 'true', [KARPENTER_INITIALIZED]: 'true' };

// us-west-2a, us-gov-east-1b, and zones that go on after the region: us-west-2-lax-1a, us-east-1-wl1-bos-wlz-1.
const AWS_ZONE = /^([a-z]{2,4}(?:-[a-z]+){1,3}-\d+)(?:[a-z]|-.+)$/;
const GCP_ZONE = /^([a-z]+-[a-z]+\d+)-[a-z]$/;

/** The region of a zone by its name, as AWS and Google name zones; undefined for other names. */
export const regionOfZone = (zone: string): string | undefined =>
  (AWS_ZONE.exec(zone) ?? GCP_ZONE.exec(zone))?.[1];

const MACHINE_KEY = /^(?:karpenter\.[^/]+|eks\.amazonaws\.com)\/(?:instance|sku)-/;
const OTHER_MACHINE_KEYS: ReadonlySet<string> = new Set(['node.kubernetes.io/windows-build']);

/** Whether a label tells a property of the machine, which its cloud sets and nobody can choose. */
export const isMachineKey = (key: string): boolean => MACHINE_KEY.test(key) || OTHER_MACHINE_KEYS.has(key);

const AWS_NAME = /^(([a-z]+)(\d+)([a-z0-9-]*))\.(nano|micro|small|medium|large|\d*xlarge|metal(?:-\d+xl)?)$/;

/** Families of which each machine has what the name says, and nothing else. */
const PLAIN: ReadonlySet<string> = new Set(['c', 'm', 'r', 't']);

/** Prefixes under which AWS' providers give the properties of a machine. */
export const AWS_PREFIXES = ['karpenter.k8s.aws/', 'eks.amazonaws.com/'];

const manufacturerOf = (category: string, generation: number, attributes: string): string | undefined => {
  if (attributes.startsWith('g')) return 'aws';
  if (attributes.startsWith('a')) return 'amd';
  return PLAIN.has(category) && (attributes.startsWith('i') || generation <= 5) ? 'intel' : undefined;
};

/** Labels that can be read off the name of one of AWS' instance types, under each prefix; memory in bytes. */
export const labelsOfAwsName = (name: string, milliCpu: number, memory: number): Record<string, string> => {
  const found = AWS_NAME.exec(name);
  if (!found) return {};
  const [, family = '', category = '', digits = '', attributes = '', size = ''] = found;
  const generation = Number(digits);
  const manufacturer = manufacturerOf(category, generation, attributes);
  const isPlain = PLAIN.has(category);
  const isNitro = category === 't' ? generation >= 3 : generation >= 5;
  const properties: Record<string, string> = {
    'instance-category': category,
    'instance-family': family,
    'instance-generation': digits,
    'instance-size': size,
    'instance-cpu': String(milliCpu / 1000),
    'instance-memory': String(memory / 1024 ** 2),
    'instance-capability-flex': String(attributes.includes('flex')),
    ...(manufacturer && { 'instance-cpu-manufacturer': manufacturer }),
    ...(isPlain && !size.startsWith('metal') && { 'instance-hypervisor': isNitro ? 'nitro' : 'xen' }),
  };
  return Object.fromEntries(
    AWS_PREFIXES.flatMap((prefix) =>
      Object.entries(properties).map(([key, value]) => [`${prefix}${key}`, value] as const),
    ),
  );
};

const WITHOUT_ACCELERATORS = /\/instance-(?:gpu|accelerator)-/;
const LOCAL_DISK = /\/instance-local-nvme$/;

/** Whether the name of a type says that its machines do not have a label. */
export const isAbsentByName = (name: string, key: string): boolean => {
  const [, , category = '', , attributes = ''] = AWS_NAME.exec(name) ?? [];
  if (!PLAIN.has(category)) return false;
  return WITHOUT_ACCELERATORS.test(key) || (LOCAL_DISK.test(key) && !attributes.includes('d'));
};
