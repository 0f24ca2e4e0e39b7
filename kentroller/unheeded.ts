import type { Options } from './options.ts';

/** What is set and does nothing beside another option, a sentence each. */
export const unheededOptions = (
  o: Pick<Options, 'instanceTypesFilePath' | 'eksClusterArn'>,
): readonly string[] =>
  o.instanceTypesFilePath && o.eksClusterArn
    ? [
        'EKS_CLUSTER_ARN does nothing beside INSTANCE_TYPES_FILE_PATH, with which AWS is never asked: zonal shifts are not heeded; unset one of them',
      ]
    : [];
