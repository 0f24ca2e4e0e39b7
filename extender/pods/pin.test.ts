import t from 'tap';
import type { Pod } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createScene, nodeOf, OWNER, podIntentOf, podOf, slotsIntentOf } from '../testing/scene.ts';
import { createPinController } from './pin.ts';

const log = createLogger({ component: 'pin', level: 'silent' });

/** A pin controller over a scene; `writes` are its requests, and nominations come back through the pod cache. */
const open = () => {
  const scene = createScene();
  const writes: string[] = [];
  const client: Pick<KubeClient, 'patch' | 'request'> = {
    patch: async (_resource, { name }, body) => {
      const { nominatedNodeName } = (body as { status: { nominatedNodeName: string } }).status;
      writes.push(`nominate ${name} to ${nominatedNodeName}`);
      const pod = scene.pods.get(`n/${name}`) as Pod;
      const nominated = { ...pod, status: { ...pod.status, nominatedNodeName } };
      scene.pods.put(nominated);
      return nominated as never;
    },
    request: async (method, path) => {
      writes.push(`${method} ${path.split('/').slice(-2).join('/')}`);
      return {} as never;
    },
  };
  const { reconcile } = createPinController({
    client: client as KubeClient,
    state: scene.state,
    report: () => {},
    log,
    observe: () => {},
  });
  const look = async (key = 'pod/x'): Promise<readonly string[]> => {
    writes.length = 0;
    await reconcile(key, new AbortController().signal);
    return [...writes];
  };
  scene.store.upsert(podIntentOf('x', 'a'), 1);
  scene.pods.put(podOf('x'));
  return { ...scene, look };
};

t.test(
  'a pod is bound at once to a machine that has not joined: kube-scheduler puts none there',
  async (t) => {
    const { nodes, look } = open();
    nodes.put(nodeOf('a', { hasJoined: false }));
    t.strictSame(await look(), ['POST x/binding']);
  },
);

t.test('fault: no pod is bound beside kube-scheduler before that knows of it (OutOfcpu)', async (t) => {
  const { nodes, look, advance } = open();
  nodes.put(nodeOf('a', { isOpen: true }));
  t.strictSame(await look(), ['nominate x to a'], 'its room is taken in the eyes of kube-scheduler first');
  t.strictSame(await look(), []);
  advance(1_900);
  t.strictSame(await look(), []);
  advance(200);
  t.strictSame(await look(), ['POST x/binding'], 'kube-scheduler had its time');
});

t.test('a nomination that kube-scheduler took back counts from the start', async (t) => {
  const { nodes, pods, look, advance } = open();
  nodes.put(nodeOf('a', { isOpen: true }));
  await look();
  advance(2_100);
  pods.put(podOf('x'));
  t.strictSame(await look(), ['nominate x to a']);
  t.strictSame(await look(), []);
});

t.test('a pod is bound at once to a node that its plan keeps closed to others', async (t) => {
  const { nodes, look } = open();
  nodes.put(nodeOf('a'));
  t.strictSame(await look(), ['POST x/binding']);
});

t.test('fault: nor a pod of an owner to a node that stays and is open to everyone', async (t) => {
  const { nodes, pods, store, look, advance } = open();
  store.remove('pin/x', 2);
  store.upsert(slotsIntentOf('a', 2), 3);
  nodes.put(nodeOf('a', { isOpen: true }));
  pods.put(podOf('y'));
  const lookAtOwner = () => look(`owner/${OWNER}`);
  t.strictSame(await lookAtOwner(), ['nominate x to a', 'nominate y to a']);
  t.strictSame(await lookAtOwner(), []);
  pods.put(podOf('x', { nodeName: 'a' }));
  advance(2_100);
  t.strictSame(await lookAtOwner(), ['POST y/binding'], 'kube-scheduler took x meanwhile, and not y');
});
