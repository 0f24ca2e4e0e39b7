import t from 'tap';
import { PREPARING_TAINT } from '../../api/labels.ts';
import type { Pod } from '../../api/objects.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { createLogger } from '../../kube/component/log.ts';
import { createScene, nodeOf, podIntentOf, podOf } from '../testing/scene.ts';
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
  const look = async (): Promise<readonly string[]> => {
    writes.length = 0;
    await reconcile('pod/x', new AbortController().signal);
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
  nodes.put(nodeOf('a'));
  t.strictSame(await look(), ['nominate x to a'], 'its room is taken in the eyes of kube-scheduler first');
  t.strictSame(await look(), []);
  advance(1_900);
  t.strictSame(await look(), []);
  advance(200);
  t.strictSame(await look(), ['POST x/binding'], 'kube-scheduler had its time');
});

t.test('a nomination that kube-scheduler took back counts from the start', async (t) => {
  const { nodes, pods, look, advance } = open();
  nodes.put(nodeOf('a'));
  await look();
  advance(2_100);
  pods.put(podOf('x'));
  t.strictSame(await look(), ['nominate x to a']);
  t.strictSame(await look(), []);
});

t.test('a pod is bound at once to a node that its plan keeps closed to others', async (t) => {
  const { nodes, look } = open();
  const node = nodeOf('a');
  const taints = [{ key: PREPARING_TAINT, effect: 'NoSchedule' as const }];
  nodes.put({ ...node, spec: { ...node.spec, taints } });
  t.strictSame(await look(), ['POST x/binding']);
});
