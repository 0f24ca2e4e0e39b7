import t from 'tap';
import type { ServerVersion } from '../../kube/preflight/facts.ts';
import { foundOutside } from '../../kube/preflight/testing/foundoutside.ts';
import { checkSoftPins } from './softpins.ts';

const version = (minor: string): { readonly value: ServerVersion } => ({
  value: { major: '1', minor, gitVersion: `v1.${minor}.0` },
});
const whole = {
  isOn: { value: true },
  version: version('36'),
  outside: { value: foundOutside(() => true) },
};

t.test('what soft pins lack is said in one sentence', async (t) => {
  t.match(checkSoftPins(whole), [{ name: 'soft-pins', state: 'fine' }]);
  t.match(checkSoftPins({ ...whole, version: version('35+') }), [
    {
      state: 'lacks',
      message: /^Kubernetes v1\.35\+\.0 knows no MutatingAdmissionPolicies.*PINNING to webhook/,
    },
  ]);
  const outside = { value: foundOutside(({ ref }) => ref.name !== 'castai-soft-pins') };
  t.match(checkSoftPins({ ...whole, outside }), [
    {
      state: 'lacks',
      message: /^The MutatingAdmissionPolicy castai-soft-pins is missing.*softPins\.enabled/,
    },
  ]);
  t.match(checkSoftPins({ ...whole, isOn: { unseen: 'configmaps is forbidden' } }), [{ state: 'unknown' }]);
});

t.test('where the webhook pins, nothing is said of soft pins', async (t) => {
  t.same(checkSoftPins({ ...whole, isOn: { value: false }, version: version('30') }), []);
});
