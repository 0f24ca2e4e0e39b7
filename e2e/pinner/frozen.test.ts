import t from 'tap';
import type { KubeObject, Pod } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import { Component } from './component.ts';
import { DeathProxy } from './deathproxy.ts';
import { Autoscaler } from './fakeautoscaler.ts';
import { eventually, kubeconfig, pinnerEnv, Scene } from './fixture.ts';
import { nodeIntent, ownerIntent } from './intents.ts';

const scene = new Scene('frozen');
const { client, namespace } = scene;
let autoscaler: Autoscaler;
/** Each replica writes through a proxy of its own, so that managedFields tell who wrote. */
interface Replica {
  readonly manager: string;
  readonly proxy: DeathProxy;
  readonly component: Component;
}
const replicas: Replica[] = [];

interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly time?: string;
  readonly fieldsV1?: object;
}

/** The last write of each field manager on each object, from metadata.managedFields. */
const writesOn = (objects: readonly KubeObject[]): ReadonlySet<string> =>
  new Set(
    objects.flatMap(({ metadata }) =>
      ((metadata as { managedFields?: readonly ManagedFields[] }).managedFields ?? []).map(
        ({ manager, operation, subresource, time, fieldsV1 }) =>
          `${metadata.name} by ${manager} at ${time}: ${operation} ${subresource ?? ''} ${JSON.stringify(fieldsV1)}`,
      ),
    ),
  );

t.before(async () => {
  await scene.open();
  autoscaler = await Autoscaler.start(client, namespace);
  for (const name of ['a', 'b']) {
    const manager = `pinner-${name}`;
    const proxy = await DeathProxy.start(kubeconfig, manager);
    const env = { ...pinnerEnv(namespace, name), KUBECONFIG: proxy.kubeconfig };
    replicas.push({ manager, proxy, component: new Component('extender/main.ts', env) });
  }
  await eventually('a leader', () => replicas.some(isLeading));
});
t.teardown(async () => {
  for (const { component } of replicas) component.process.kill('SIGCONT');
  await Promise.all(replicas.map(({ component }) => component.stop()));
  await Promise.all(replicas.map(({ proxy }) => proxy.close()));
  await autoscaler.close();
  await scene.close();
});

const isLeading = ({ component }: Replica): boolean => component.said('full state received') !== undefined;

t.test('the other replica takes over from a frozen leader, which writes nothing when it wakes', async (t) => {
  const leader = replicas.find(isLeading);
  const other = replicas.find((replica) => replica !== leader);
  if (!leader || !other) throw new Error('no leader');
  t.equal(autoscaler.streams, 1, 'only the leader listens');
  leader.component.process.kill('SIGSTOP');
  const name = scene.nodeName('taken-over');
  const web = await scene.replicaSet('web', 3, { spec: { nodeSelector: { place: name } } });
  const began = Date.now();
  autoscaler.upsert(nodeIntent(name), ownerIntent(name, web, 3));
  const bound = async (): Promise<Pod[]> =>
    (await scene.podsOf('web')).filter(({ spec }) => spec.nodeName === name);
  const pods = await eventually('its pods are bound by the other', async () => {
    const found = await bound();
    return found.length === 3 && found;
  });
  t.comment(`taken over after ${Date.now() - began} ms`);
  t.ok(other.component.said('node placeholder created', { node: name }));
  const before = writesOn(pods);
  // On the pods, a late write of kube-scheduler can take over all the fields that the binding set.
  const placeholder = await client.get(NODES, { name });
  t.ok(
    [...writesOn([placeholder])].some((write) => write.includes(` by ${other.manager} `)),
    'managedFields name the replica that wrote',
  );
  leader.component.process.kill('SIGCONT');
  await eventually(
    'it knows that it leads no more',
    () => autoscaler.streams === 1 && leader.component.said('leadership lost'),
  );
  t.notOk(leader.component.said('node placeholder created', { node: name }));
  t.notOk(leader.component.said('pod pinned', { node: name }));
  const after = [...writesOn(await bound())];
  const late = after.filter((write) => !before.has(write));
  // kube-scheduler may still write why it found no node, after the pod was bound.
  if (late.length > 0) t.comment(`written after the pods were bound: ${late.join('; ')}`);
  t.same(
    after.filter((write) => write.includes(` by ${leader.manager} `)),
    [],
    'the frozen leader wrote nothing',
  );
});
