import t from 'tap';
import { NODES } from '../../api/resources.ts';
import { nominatePod } from '../../extender/pods/nominate.ts';
import { paced } from '../../kube/testing/pace.ts';
import { eventually, joinAs, Scene } from './fixture.ts';
import { podIntent } from './intents.ts';

const scene = new Scene('nominate');
const { client } = scene;
const [there, wished] = ['there', 'wished'].map((suffix) => scene.nodeName(suffix)) as [string, string];

t.before(() => scene.open());
t.teardown(() => scene.close());

t.test('a pod that kube-scheduler bound before it was nominated is a conflict, not the end', async (t) => {
  const room = { cpu: '4', memory: '8Gi', pods: '29' };
  await client.create(NODES, {
    metadata: { name: there, labels: { place: there } },
    status: { capacity: room, allocatable: room },
  });
  await joinAs(client, there);
  await scene.replicaSet('web', 1, { spec: { nodeSelector: { place: there } } });
  const pod = await eventually('bound', async () => {
    const [found] = await scene.podsOf('web');
    return found?.spec.nodeName === there && found;
  });
  // As seen before: on no node.
  const { nodeName: _, ...spec } = pod.spec;
  const signal = AbortSignal.timeout(paced(10_000));
  await t.rejects(nominatePod(client, podIntent(wished, pod), { ...pod, spec }, signal), {
    kind: 'conflict',
    message: /already bound to a node/,
  });
});
