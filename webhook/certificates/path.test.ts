import t from 'tap';
import { DAY, policy, rotated } from '../testing/simulation.ts';
import { commonPathOf, pathPatch } from './path.ts';

t.test('attack: a path that became known is worth nothing after the next renewal', async (t) => {
  const cluster = await rotated();
  const known = cluster.path;
  cluster.now += 21 * DAY;
  await cluster.rotate();
  t.not(cluster.path, known);
  t.notOk(cluster.leaf?.paths.includes(known));
});

t.test(
  'API servers call a new path only once all replicas serve it, the previous one until then',
  async (t) => {
    const cluster = await rotated();
    const previous = cluster.path;
    cluster.now += 21 * DAY;
    await cluster.apply(cluster.decide());
    const issuedAt = cluster.now;
    t.equal(cluster.leaf?.paths.length, 2);
    t.match(cluster.decide(), { kind: 'wait', until: issuedAt + policy.retireMs });
    t.equal(cluster.path, previous);
    await cluster.apply(cluster.decide());
    await cluster.apply(cluster.decide());
    t.equal(cluster.path, cluster.leaf?.paths[0]);
    t.match(cluster.decide(), { kind: 'wait', until: cluster.now + policy.retireMs });
    t.ok(cluster.leaf?.paths.includes(previous), 'an API server may still call it');
  },
);

t.test('the path of a configuration is read and written for Services and for URLs', async (t) => {
  const service = { name: 's', namespace: 'n', path: '/a' };
  const configurationOf = (...clientConfigs: { service?: { path?: string }; url?: string }[]) => ({
    metadata: { name: 'c' },
    webhooks: clientConfigs.map((clientConfig, i) => ({ name: `w${i}`, clientConfig })),
  });
  t.equal(commonPathOf(configurationOf({ service }, { url: 'https://host:8443/a' })), '/a');
  t.equal(commonPathOf(configurationOf({ service }, { url: 'https://host:8443/b' })), '', 'they differ');
  t.equal(commonPathOf(configurationOf({ service: { ...service, path: undefined as never } })), '');
  t.equal(commonPathOf(undefined), '');
  t.match(pathPatch('/w', { name: 'w', clientConfig: { service } }, '/b'), [
    { op: 'add', path: '/w/service/path', value: '/b' },
  ]);
  const url = 'https://host:8443/a';
  t.match(pathPatch('/w', { name: 'w', clientConfig: { url } }, '/b'), [
    { op: 'add', path: '/w/url', value: 'https://host:8443/b' },
  ]);
});

t.test(
  'the webhook for sides is called at the same path with a suffix, or the path is written',
  async (t) => {
    const at = (pins: string, sides: string) => ({
      metadata: { name: 'c' },
      webhooks: [
        { name: 'spot.w', clientConfig: { url: `https://host${sides}` } },
        { name: 'w', clientConfig: { url: `https://host${pins}` } },
      ],
    });
    t.equal(commonPathOf(at('/a', '/a/spot')), '/a');
    t.equal(commonPathOf(at('/a', '/b/spot')), '');
    t.equal(commonPathOf(at('/a', '/a')), '', 'as a keeper of an earlier release wrote it');
    const clientConfig = { service: { name: 's', namespace: 'n' } };
    t.match(pathPatch('/w', { name: 'spot.w', clientConfig }, '/b'), [{ value: '/b/spot' }]);
  },
);
