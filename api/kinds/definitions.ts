import { stringify } from 'yaml';
import { z } from 'zod';
import { GROUP } from '../labels.ts';
import { AUTOSCALER_POLICY, autoscalerPolicy } from './autoscalerpolicy.ts';
import { EVICTOR_CONFIG, evictorConfig } from './evictorconfig.ts';
import { rebalanceMigrationPlan } from './rebalancemigrationplan.ts';
import { rebalancePlan } from './rebalanceplan.ts';
import { rebalancePlanClaim } from './rebalanceplanclaim.ts';
import { rebalancePlanSchedule } from './rebalanceplanschedule.ts';
import { unavailableOffering } from './unavailableoffering.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly jsonPath: string;
  /** Above 0 it is printed with -o wide alone. */
  readonly priority?: number;
}

interface Kind {
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly description: string;
  readonly schema: z.ZodType;
  readonly columns: readonly Column[];
  /** Rules over the whole object, in CEL. */
  readonly rules?: readonly Json[];
}

const column = (name: string, type: Column['type'], jsonPath: string): Column => ({ name, type, jsonPath });
const AGE = column('Age', 'date', '.metadata.creationTimestamp');

/**
 * Whether a write is one of the status, by which the API server changes nothing else: to compare the spec of a large plan
 * takes half the time of such a write.
 */
const IS_OF_STATUS = '!has(self.status) || self.status != oldSelf.status';

/** Every field of a plan's spec but `execute` is frozen once the plan was shown; the executor holds to the same. */
const frozenRules: readonly Json[] = Object.keys(rebalancePlan.shape.spec.shape)
  .filter((field) => field !== 'execute')
  .map((field) => ({
    rule: `!has(oldSelf.status) || !has(oldSelf.status.specHash) || ${IS_OF_STATUS} || (has(self.spec.${field}) ? has(oldSelf.spec.${field}) && self.spec.${field} == oldSelf.spec.${field} : !has(oldSelf.spec.${field}))`,
    message: `spec.${field} can't change once the plan is shown: delete the plan and make another one`,
    fieldPath: `.spec.${field}`,
  }));

/** The kinds of our group, with what `kubectl get` prints for each. */
export const KINDS: readonly Kind[] = [
  {
    kind: 'RebalancePlanSchedule',
    plural: 'rebalanceplanschedules',
    shortNames: ['rps'],
    description: 'Makes RebalancePlanClaims at the times of a cron expression.',
    schema: rebalancePlanSchedule,
    columns: [
      column('Schedule', 'string', '.spec.schedule'),
      column('Suspend', 'boolean', '.spec.suspend'),
      column('Active', 'integer', '.status.activeCount'),
      column('Last Schedule', 'date', '.status.lastScheduleTime'),
      AGE,
    ],
  },
  {
    kind: 'RebalancePlanClaim',
    plural: 'rebalanceplanclaims',
    shortNames: ['rpc'],
    description: 'One request to rebalance the cluster, or a part of it.',
    schema: rebalancePlanClaim,
    columns: [
      column('State', 'string', '.status.state'),
      column('PlanID', 'string', '.status.planId'),
      column('Nodes', 'integer', '.status.selectedNodesCount'),
      column('Savings%', 'string', '.status.projectedSavingsPercent'),
      column('Rebalance', 'string', '.status.rebalanceName'),
      AGE,
      {
        ...column('Planning', 'string', '.status.conditions[?(@.type=="Planned")].message'),
        priority: 1,
      },
    ],
  },
  {
    kind: 'RebalancePlan',
    plural: 'rebalanceplans',
    shortNames: ['rp'],
    description: 'One decision about the cluster: NodeClaims to add, NodeClaims to delete, pods to move.',
    schema: rebalancePlan,
    columns: [
      column('Before', 'string', '.status.savings.currentMonthlyCost'),
      column('After', 'string', '.status.savings.projectedMonthlyCost'),
      column('Savings%', 'string', '.status.savings.projectedSavingsPercent'),
      column('State', 'string', '.status.state'),
      column('Auto-executed', 'boolean', '.spec.execute'),
      AGE,
    ],
    rules: frozenRules,
  },
  {
    kind: 'RebalanceMigrationPlan',
    plural: 'rebalancemigrationplans',
    shortNames: [],
    description: 'Pods to be moved without a restart, for a live migration provider to act on.',
    schema: rebalanceMigrationPlan,
    columns: [column('Phase', 'string', '.status.phase'), AGE],
  },
  {
    kind: 'UnavailableOffering',
    plural: 'unavailableofferings',
    shortNames: ['uo'],
    description:
      'What the cloud could not give: an instance type, in a zone, as a capacity type, for a while.',
    schema: unavailableOffering,
    columns: [
      column('Type', 'string', '.spec.instanceType'),
      column('Zone', 'string', '.spec.zone'),
      column('Capacity', 'string', '.spec.capacityType'),
      column('Reason', 'string', '.spec.reason'),
      column('Expires', 'date', '.spec.expiresAt'),
      AGE,
    ],
  },
  {
    kind: 'EvictorConfig',
    plural: 'evictorconfigs',
    shortNames: [],
    description: 'Settings of the evictor, which drains nodes whose pods fit elsewhere.',
    schema: evictorConfig,
    columns: [
      column('Enabled', 'boolean', '.spec.enabled'),
      column('Dry run', 'boolean', '.spec.dryRun'),
      column('Last Cycle', 'date', '.status.lastCycleTime'),
      column('Outcome', 'string', '.status.outcome'),
      AGE,
    ],
    rules: [
      {
        rule: `self.metadata.name == '${EVICTOR_CONFIG}'`,
        message: `metadata.name: the only EvictorConfig of a cluster is called ${EVICTOR_CONFIG}`,
      },
    ],
  },
  {
    kind: 'AutoscalerPolicy',
    plural: 'autoscalerpolicies',
    shortNames: [],
    description: 'Autoscaling policies of the cluster: limits, unscheduled pods, spot, node deletion.',
    schema: autoscalerPolicy,
    columns: [
      column('Enabled', 'boolean', '.spec.enabled'),
      column('Scoped', 'boolean', '.spec.isScopedMode'),
      column('Active', 'string', '.status.active'),
      column('Last Action', 'date', '.status.lastActionTime'),
      column('Outcome', 'string', '.status.lastAction'),
      AGE,
    ],
    rules: [
      {
        rule: `self.metadata.name == '${AUTOSCALER_POLICY}'`,
        message: `metadata.name: the only AutoscalerPolicy of a cluster is called ${AUTOSCALER_POLICY}`,
      },
    ],
  },
];

const UNBOUNDED = Number.MAX_SAFE_INTEGER;

/** Removes what zod adds and a structural schema does not need: bounds of the safe integer, undefined values. */
const structural = (schema: Json): Json => {
  if (Array.isArray(schema)) return schema.map(structural);
  if (schema === null || typeof schema !== 'object') return schema;
  const kept = Object.entries(schema as Record<string, Json>).filter(
    ([key, value]) =>
      value !== undefined &&
      !(key === 'maximum' && value === UNBOUNDED) &&
      !(key === 'minimum' && value === -UNBOUNDED) &&
      !(key === 'additionalProperties' && value === false),
  );
  const entries = kept.map(([key, value]): [string, Json] => [key, structural(value)]);
  const type = (schema as Record<string, Json>).type;
  if (type === 'integer') entries.push(['format', 'int64']);
  return Object.fromEntries(entries);
};

/** The schema of a kind, as its CustomResourceDefinition has it. */
export const crdSchema = (kind: Kind): Json => {
  const body = structural(
    z.toJSONSchema(kind.schema, { target: 'openapi-3.0', io: 'input' }) as unknown as Json,
  ) as Record<string, Json>;
  return {
    type: 'object',
    description: kind.description,
    required: ['spec'],
    ...(kind.rules && { 'x-kubernetes-validations': kind.rules }),
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      ...(body.properties as Record<string, Json>),
    },
  };
};

const crd = (kind: Kind): Json => {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${kind.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Cluster',
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.kind.toLowerCase(),
        shortNames: kind.shortNames,
      },
      versions: [
        {
          name: 'v1alpha',
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: kind.columns.map((c) => ({ ...c })),
          schema: {
            openAPIV3Schema: crdSchema(kind),
          },
        },
      ],
    },
  };
};

/** File name and YAML text of every CustomResourceDefinition; Kubernetes reads YAML 1.1, in which a bare Off is false. */
export const renderCrds = (): readonly { readonly file: string; readonly text: string }[] =>
  KINDS.map((kind) => ({
    file: `${GROUP}_${kind.plural}.yaml`,
    text: stringify(crd(kind), { lineWidth: 0, aliasDuplicateObjects: false, compat: 'yaml-1.1' }),
  }));
