import t from 'tap';
import { paced } from '../../kube/testing/pace.ts';
import { readCertificates } from './x509.ts';

t.test('a bundle of many beginnings and no end holds no certificate, at once', async (t) => {
  const since = performance.now();
  t.strictSame(readCertificates('-----BEGIN CERTIFICATE-----\n'.repeat(40_000)), []);
  t.ok(performance.now() - since < paced(2_000), `${performance.now() - since} ms`);
});
