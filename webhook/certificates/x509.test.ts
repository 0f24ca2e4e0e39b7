import t from 'tap';
import { cpuMillisOf } from '../../api/testing/work.ts';
import { readCertificates } from './x509.ts';

t.test('a bundle of many beginnings and no end holds no certificate, at once', async (t) => {
  const work = cpuMillisOf(() =>
    t.strictSame(readCertificates('-----BEGIN CERTIFICATE-----\n'.repeat(40_000)), []),
  );
  t.ok(work < 2_000, `${work} CPU ms`);
});
