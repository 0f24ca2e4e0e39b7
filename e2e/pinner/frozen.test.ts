import t from 'tap';
import { Autoscaler, Component, eventually, nodeIntent, ownerIntent, pinnerEnv, Scene } from './fixture.ts';

const scene = new Scene('frozen');
const { client, namespace } = scene;
let autoscaler: Autoscaler;
const replicas: Component[] = [];

t.before(async () => {
  await scene.open();
  autoscaler = await Autoscaler.start(client, namespace);
  for (const name of ['a', 'b']) replicas.push(new Component('extender/main.ts', pinnerEnv(namespace, name)));
  await eventually('a leader', () => replicas.some((each) => each.said('state of the world received')));
});
t.teardown(async () => {
  for (const { process } of replicas) process.kill('SIGCONT');
  await Promise.all(replicas.map((each) => each.stop()));
  await autoscaler.close();
  await scene.close();
});

t.test('the other replica takes over from a frozen leader, which writes nothing when it wakes', async (t) => {
  const leader = replicas.find((each) => each.said('state of the world received'));
  const other = replicas.find((each) => each !== leader);
  if (!leader || !other) throw new Error('no leader');
  t.equal(autoscaler.streams, 1, 'only the leader listens');
  leader.process.kill('SIGSTOP');
  const name = scene.nodeName('taken-over');
  const web = await scene.replicaSet('web', 3, { spec: { nodeSelector: { place: name } } });
  const began = Date.now();
  autoscaler.upsert(nodeIntent(name), ownerIntent(name, web, 3));
  const pods = await eventually('its pods are bound by the other', async () => {
    const found = (await scene.podsOf('web')).filter(({ spec }) => spec.nodeName === name);
    return found.length === 3 && found;
  });
  t.comment(`taken over after ${Date.now() - began} ms, Lease of 3 s`);
  t.ok(other.said('node placeholder created', { node: name }));
  const versions = pods.map(({ metadata }) => metadata.resourceVersion);
  leader.process.kill('SIGCONT');
  await eventually(
    'it knows that it leads no more',
    () => autoscaler.streams === 1 && leader.said('leadership lost'),
  );
  t.notOk(leader.said('node placeholder created', { node: name }));
  t.notOk(leader.said('pod pinned', { node: name }));
  const after = (await scene.podsOf('web')).filter(({ spec }) => spec.nodeName === name);
  t.same(
    after.map(({ metadata }) => metadata.resourceVersion),
    versions,
    'nothing was written twice',
  );
});
