import { z } from 'zod';

/** The bounds of nodes that are bought, and how a schema is checked by the API server and by us alike. */

/** Memory to CPU of the machines that node constraints choose from, in GiB a core. */
export const RATIOS: readonly number[] = [2, 4, 8];
export const MIB_PER_GIB = 1_024;

/** What counts where a setting is left out. */
export const POLICY_DEFAULTS = {
  minCores: 0,
  headroomPercentage: 10,
  minCpuCores: 0,
  maxCpuCores: 32,
  minRamMib: 2_048,
  maxRamMib: 262_144,
  spotBackupRestoreRateSeconds: 1_800,
  spotDiversityPriceIncreaseLimitPercent: 20,
  delaySeconds: 300,
} as const;

const MAX_NODE_CORES = 100_000;
const MAX_NODE_MIB = 1_000_000_000;

/** A whole number between two bounds; the ConfigMap takes it in quotes, too. */
export type WholeNumber = (min: number, max: number) => z.ZodType<number>;

interface Check<T> {
  readonly holds: (value: T) => boolean;
  /** The same in CEL. */
  readonly rule: string;
  readonly message: string;
  /** The field that is named as wrong. */
  readonly field: string;
}

/** A schema whose checks the API server and our own readers hold to alike. */
export const checked = <S extends z.ZodType>(schema: S, checks: readonly Check<z.output<S>>[]) =>
  checks
    .reduce<z.ZodType<z.output<S>, z.input<S>>>(
      (inner, { holds, message, field }) => inner.refine(holds, { message, path: [field] }),
      schema as unknown as z.ZodType<z.output<S>, z.input<S>>,
    )
    .meta({
      'x-kubernetes-validations': checks.map(({ rule, message, field }) => ({
        rule,
        message,
        fieldPath: `.${field}`,
      })),
    });

/** A field in CEL, or what counts where it is left out. */
export const otherwise = (field: string, value: number): string =>
  `(has(self.${field}) ? self.${field} : ${value})`;

interface Constraints {
  readonly minCpuCores?: number;
  readonly maxCpuCores?: number;
  readonly minRamMib?: number;
  readonly maxRamMib?: number;
}

/** Whether some machine with a supported ratio of memory to CPU is within the constraints. */
const hasRatio = (constraints: Constraints): boolean => {
  const c = { ...POLICY_DEFAULTS, ...constraints };
  return RATIOS.some((gib) => {
    const mib = gib * MIB_PER_GIB;
    const least = Math.max(c.minCpuCores, Math.ceil(c.minRamMib / mib));
    return least <= Math.min(c.maxCpuCores, Math.floor(c.maxRamMib / mib));
  });
};

const D = POLICY_DEFAULTS;
const CEL = {
  minCpu: otherwise('minCpuCores', D.minCpuCores),
  maxCpu: otherwise('maxCpuCores', D.maxCpuCores),
  minRam: otherwise('minRamMib', D.minRamMib),
  maxRam: otherwise('maxRamMib', D.maxRamMib),
};
/** The four comparisons of the larger of two least numbers of cores with the smaller of two greatest ones. */
const ratioRule = (mib: number): string =>
  [
    `${CEL.minCpu} <= ${CEL.maxCpu}`,
    `${CEL.minCpu} <= ${CEL.maxRam} / ${mib}`,
    `(${CEL.minRam} + ${mib - 1}) / ${mib} <= ${CEL.maxCpu}`,
    `(${CEL.minRam} + ${mib - 1}) / ${mib} <= ${CEL.maxRam} / ${mib}`,
  ].join(' && ');

export const nodeConstraintsOf = (whole: WholeNumber) =>
  checked(
    z.object({
      enabled: z.boolean().exactOptional(),
      minCpuCores: whole(0, MAX_NODE_CORES).exactOptional().meta({ description: '0 by default.' }),
      maxCpuCores: whole(1, MAX_NODE_CORES).exactOptional().meta({ description: '32 by default.' }),
      minRamMib: whole(0, MAX_NODE_MIB).exactOptional().meta({ description: '2048 by default.' }),
      maxRamMib: whole(1, MAX_NODE_MIB).exactOptional().meta({ description: '262144 by default.' }),
    }),
    [
      {
        holds: (c) => (c.minCpuCores ?? D.minCpuCores) <= (c.maxCpuCores ?? D.maxCpuCores),
        rule: `${CEL.minCpu} <= ${CEL.maxCpu}`,
        message: `minCpuCores is above maxCpuCores, which is ${D.maxCpuCores} where it is left out`,
        field: 'minCpuCores',
      },
      {
        holds: (c) => (c.minRamMib ?? D.minRamMib) <= (c.maxRamMib ?? D.maxRamMib),
        rule: `${CEL.minRam} <= ${CEL.maxRam}`,
        message: `minRamMib (${D.minRamMib} where it is left out) is above maxRamMib (${D.maxRamMib} where it is left out)`,
        field: 'minRamMib',
      },
      {
        holds: hasRatio,
        rule: RATIOS.map((gib) => `(${ratioRule(gib * MIB_PER_GIB)})`).join(' || '),
        message: 'no machine with 2, 4 or 8 GiB of memory a core is within these cores and this memory',
        field: 'maxRamMib',
      },
    ],
  );
