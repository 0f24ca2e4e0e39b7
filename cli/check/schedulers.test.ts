import { join } from 'node:path';
import t from 'tap';
import type { KubeClient } from '../../kube/client/client.ts';
import { KubeError } from '../../kube/errors.ts';
import { checkSchedulers } from './schedulers.ts';

const client = {
  get: async () => {
    throw new KubeError('not found', { kind: 'not-found', status: 404 });
  },
} as unknown as KubeClient;

const FILES: Readonly<Record<string, readonly [string, RegExp]>> = {
  'a map of extenders': [
    'kind: KubeSchedulerConfiguration\nextenders: {urlPrefix: x}\n',
    /no list of objects/,
  ],
  'an extender that is null': ['kind: KubeSchedulerConfiguration\nextenders: [null]\n', /no list of objects/],
  'an empty file': ['', /no KubeSchedulerConfiguration/],
  'a Pod': ['kind: Pod\nmetadata: { name: kube-scheduler }\n', /no KubeSchedulerConfiguration/],
};

t.test('a policy file that is none is said in one sentence', async (t) => {
  for (const [what, [text, message]] of Object.entries(FILES)) {
    const file = join(t.testdir({ 'policy.yaml': text }), 'policy.yaml');
    const { signal } = new AbortController();
    const found = await checkSchedulers(client, { namespace: 'castai-agent', file, signal });
    t.match(found, [{ state: 'lacks', message }], what);
  }
});
