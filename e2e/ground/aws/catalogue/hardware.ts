/** The GPUs of an instance type; memory is that of one of them. */
export interface Gpu {
  readonly manufacturer: 'NVIDIA' | 'AMD';
  readonly name: string;
  readonly count: number;
  readonly memoryMiB: number;
}

/** Families whose accelerators are no GPUs; Karpenter's catalogue does not say how many they have. */
export const HAS_OTHER_ACCELERATORS = /^(inf|trn|dl|vt|f)\d/;

interface GpuFamily {
  readonly manufacturer: Gpu['manufacturer'];
  readonly name: string;
  readonly memoryMiB: number;
  /** By size; one where a size is not named. */
  readonly counts: Readonly<Record<string, number>>;
}

// Source: https://aws.amazon.com/ec2/instance-types/accelerated-computing
const GPU_FAMILIES: Readonly<Record<string, GpuFamily>> = {
  g4ad: {
    manufacturer: 'AMD',
    name: 'Radeon Pro V520',
    memoryMiB: 8192,
    counts: { '8xlarge': 2, '16xlarge': 4 },
  },
  g4dn: { manufacturer: 'NVIDIA', name: 'T4', memoryMiB: 16384, counts: { '12xlarge': 4, metal: 8 } },
  g5: {
    manufacturer: 'NVIDIA',
    name: 'A10G',
    memoryMiB: 24576,
    counts: { '12xlarge': 4, '24xlarge': 4, '48xlarge': 8 },
  },
  g5g: { manufacturer: 'NVIDIA', name: 'T4g', memoryMiB: 16384, counts: { '16xlarge': 2, metal: 2 } },
  g6: {
    manufacturer: 'NVIDIA',
    name: 'L4',
    memoryMiB: 22888,
    counts: { '12xlarge': 4, '24xlarge': 4, '48xlarge': 8 },
  },
  g6e: {
    manufacturer: 'NVIDIA',
    name: 'L40S',
    memoryMiB: 45776,
    counts: { '12xlarge': 4, '24xlarge': 4, '48xlarge': 8 },
  },
  gr6: { manufacturer: 'NVIDIA', name: 'L4', memoryMiB: 22888, counts: {} },
  p2: { manufacturer: 'NVIDIA', name: 'K80', memoryMiB: 12288, counts: { '8xlarge': 8, '16xlarge': 16 } },
  p3: { manufacturer: 'NVIDIA', name: 'V100', memoryMiB: 16384, counts: { '8xlarge': 4, '16xlarge': 8 } },
  p3dn: { manufacturer: 'NVIDIA', name: 'V100', memoryMiB: 32768, counts: { '24xlarge': 8 } },
  p4d: { manufacturer: 'NVIDIA', name: 'A100', memoryMiB: 40960, counts: { '24xlarge': 8 } },
  p5: { manufacturer: 'NVIDIA', name: 'H100', memoryMiB: 81920, counts: { '48xlarge': 8 } },
};

export const gpuOf = (typeName: string): Gpu | undefined => {
  const [family = '', size = ''] = typeName.split('.');
  const found = GPU_FAMILIES[family];
  if (found === undefined) return undefined;
  const { manufacturer, name, memoryMiB, counts } = found;
  return { manufacturer, name, memoryMiB, count: counts[size] ?? 1 };
};

// GB of local NVMe for each vCPU. Source: https://aws.amazon.com/ec2/instance-types
const LOCAL_STORAGE_PER_VCPU: Readonly<Record<string, number>> = {
  c5d: 25,
  c5ad: 37.5,
  c6gd: 59.25,
  c6id: 59.25,
  c7gd: 59.25,
  g4dn: 31.25,
  g5: 62.5,
  g6: 62.5,
  i3: 237.5,
  i3en: 625,
  i4i: 234.25,
  m5ad: 37.5,
  m5d: 37.5,
  m5dn: 37.5,
  m6gd: 59.25,
  m6id: 59.25,
  m7gd: 59.25,
  r5ad: 37.5,
  r5d: 37.5,
  r5dn: 37.5,
  r6gd: 59.25,
  r6id: 59.25,
  r7gd: 59.25,
  z1d: 37.5,
};

/** Local disks of a type in GB, or undefined where it has none that we know of. */
export const localStorageGBOf = (typeName: string, vcpus: number): number | undefined => {
  const share = LOCAL_STORAGE_PER_VCPU[typeName.split('.')[0] ?? ''];
  return share === undefined ? undefined : Math.floor(share * vcpus);
};

export interface Processor {
  readonly manufacturer: 'Intel' | 'AMD' | 'AWS';
  readonly sustainedGHz: number;
}

/** The maker of a type's processor, from the letters after the generation in its family's name. */
export const processorOf = (family: string): Processor => {
  const letters = /^[a-z]+\d+([a-z]*)/.exec(family)?.[1] ?? '';
  if (letters.includes('g') || family === 'a1') return { manufacturer: 'AWS', sustainedGHz: 2.6 };
  if (letters.startsWith('a')) return { manufacturer: 'AMD', sustainedGHz: 3.6 };
  return { manufacturer: 'Intel', sustainedGHz: 3.1 };
};
