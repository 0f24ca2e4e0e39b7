import t from 'tap';
import { parse } from '../kube/component/options.ts';
import { options } from './options.ts';
import { unheededOptions } from './unheeded.ts';

t.test('a cluster whose zonal shifts are never read is told so', async (t) => {
  const EKS_CLUSTER_ARN = 'arn:aws:eks:us-west-2:111122223333:cluster/one';
  const INSTANCE_TYPES_FILE_PATH = '/types.json';
  const said = (env: Readonly<Record<string, string>>): readonly string[] =>
    unheededOptions(parse(options, { argv: [], env, name: 'castai-kentroller' }));
  t.match(said({ EKS_CLUSTER_ARN, INSTANCE_TYPES_FILE_PATH }), [
    /EKS_CLUSTER_ARN.*zonal shifts are not heeded/,
  ]);
  t.same(said({ EKS_CLUSTER_ARN }), []);
  t.same(said({ INSTANCE_TYPES_FILE_PATH }), []);
});
