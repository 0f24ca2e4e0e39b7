import { type Features, mergeFeatures } from '../features.ts';
import { type AutoscalerPolicySpec, autoscalerPolicySpec } from './autoscalerpolicy.ts';

/** What the policies say, each setting by the features ConfigMap, else by the AutoscalerPolicy; not ok where it makes no sense. */
export const mergePolicies = (spec: AutoscalerPolicySpec, { policies = {} }: Features) =>
  autoscalerPolicySpec.safeParse(mergeFeatures([{ policies: spec }, { policies }]).policies ?? {});
