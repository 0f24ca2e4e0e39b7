import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import type { CheckState } from './check.ts';
import { checkSchedulerPolicy, type Extender } from './schedulerpolicy.ts';

const safe: Extender = {
  urlPrefix: 'https://castai-pod-pinner.castai-agent.svc:80',
  filterVerb: 'filter',
  nodeCacheCapable: true,
  ignorable: true,
  httpTimeout: '300ms',
  enableHTTPS: true,
  tlsConfig: { certFile: '/crt', caFile: '/ca' },
};
const { ignorable: _, ...notIgnorable } = safe;
const { httpTimeout: __, ...withoutTimeout } = safe;

const CASES: Readonly<Record<string, readonly [readonly Extender[], CheckState, RegExp]>> = {
  'safe and authenticated': [[safe], 'fine', /safe and authenticated/],
  'by its cluster IP': [
    [
      {
        ...safe,
        urlPrefix: 'https://10.96.0.7:80',
        tlsConfig: { ...safe.tlsConfig, serverName: 'castai-pod-pinner.castai-agent.svc' },
      },
    ],
    'fine',
    /safe and authenticated/,
  ],
  'by its cluster IP, without a name': [
    [{ urlPrefix: 'http://10.96.0.7:80', filterVerb: 'filter', httpTimeout: '30s' }],
    'unknown',
    /10\.96\.0\.7.*no ignorable.*httpTimeout 30s/,
  ],
  'anyone may answer': [
    [{ ...safe, tlsConfig: { ...safe.tlsConfig, insecure: true } }],
    'lacks',
    /tlsConfig\.insecure/,
  ],
  'no authority is named': [[{ ...safe, tlsConfig: { certFile: '/crt' } }], 'note', /no caFile/],
  'of somebody else': [[{ urlPrefix: 'http://other' }], 'note', /no extender of ours/],
  'pods wait when we are gone': [[notIgnorable], 'lacks', /no ignorable/],
  'the default timeout is five seconds': [[withoutTimeout], 'lacks', /httpTimeout 5s/],
  'a timeout that is none': [[{ ...safe, httpTimeout: '0s' }], 'lacks', /httpTimeout 0s/],
  'a timeout that is too long': [[{ ...safe, httpTimeout: '30s' }], 'lacks', /httpTimeout 30s/],
  'resources that only it knows': [
    [{ ...safe, managedResources: [{ name: 'x/y' }] }],
    'lacks',
    /managedResources/,
  ],
  'binding by us': [[{ ...safe, bindVerb: 'bind' }], 'lacks', /bindVerb/],
  'it is asked for nothing': [[{ ...safe, filterVerb: '' }], 'lacks', /filterVerb/],
  'whole Nodes are sent': [[{ ...safe, nodeCacheCapable: false }], 'note', /nodeCacheCapable/],
  'two calls a pod': [[{ ...safe, prioritizeVerb: 'prioritize' }], 'note', /prioritizeVerb/],
  'anyone may ask': [[{ ...safe, enableHTTPS: false }], 'note', /client certificate/],
  'it is there twice': [[safe, safe], 'lacks', /twice/],
};

t.test('what a policy file would do to pods', async (t) => {
  for (const [what, [extenders, state, message]] of Object.entries(CASES)) {
    t.match(checkSchedulerPolicy({ where: 'policy.yaml', extenders }), { state, message }, what);
  }
});

t.test(
  'the policy for a control plane of one’s own is safe, and found where kubeadm and kind look',
  async (t) => {
    const read = (file: string): string =>
      readFileSync(
        new URL(`../../manifests/overlays/control-plane-scheduler/${file}`, import.meta.url),
        'utf8',
      );
    const { extenders } = parse(read('policy.yaml')) as { readonly extenders: readonly Extender[] };
    t.match(checkSchedulerPolicy({ where: 'it', extenders }), { state: 'fine' });
    const path = '/etc/kubernetes/extender/policy.yaml';
    const { scheduler } = parse(read('kubeadm.yaml'));
    t.match(scheduler.extraArgs, [{ name: 'config', value: path }]);
    t.ok(path.startsWith(`${scheduler.extraVolumes[0].mountPath}/`));
    const [node] = parse(read('kind.yaml')).nodes;
    const patch = parse(node.kubeadmConfigPatches[0]);
    t.same(patch.scheduler.extraVolumes, scheduler.extraVolumes);
    t.same(patch.scheduler.extraArgs, scheduler.extraArgs);
    t.equal(node.extraMounts[0].containerPath, scheduler.extraVolumes[0].hostPath);
  },
);

t.test('the policy of the second scheduler is safe', async (t) => {
  const file = new URL('../../manifests/components/second-scheduler/configuration.yaml', import.meta.url);
  const { extenders } = parse(readFileSync(file, 'utf8')) as { readonly extenders: readonly Extender[] };
  t.match(checkSchedulerPolicy({ where: 'it', extenders }), { state: 'note', message: /is safe/ });
});
