import t from 'tap';
import { pacedSeconds } from '../kube/testing/pace.ts';
import { attach } from './ground/ground.ts';
import { REAL_NODE } from './ground/node/kubelet.ts';
import { startRegistry } from './install/registry.ts';
import { imageOf, pushRelease, ROOT } from './install/release.ts';
import { lackHere } from './run/needs.ts';
import { kubectl } from './support/uninstall.ts';

/** What `make push` has put into a registry, on a node. See docs/designs/0052-charts.md. */

const skip = await lackHere('a registry on the loopback of its nodes');
t.test('the image of make push is pulled by digest', { skip }, async (t) => {
  const ground = attach(process.env.GROUND_NAME ?? '');
  await startRegistry(t, ground);
  const image = await imageOf(await pushRelease(ground, ROOT, 'now'));
  const name = 'pulled';
  t.teardown(() => kubectl({ ground }, 'delete', 'pod', name, '--ignore-not-found', '--now'));
  const spec = {
    nodeName: REAL_NODE,
    restartPolicy: 'Never',
    containers: [{ name, image, args: ['--version'], imagePullPolicy: 'Always' }],
  };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  await ground.kubectl(['apply', '--filename=-'], { input: JSON.stringify(pod) });
  const ends = ['wait', 'pod', name, '--for=jsonpath={.status.phase}=Succeeded'];
  await ground.kubectl([...ends, `--timeout=${pacedSeconds(60)}`]);
  const ran = '--output=jsonpath={.status.containerStatuses[0].imageID}';
  t.equal(await ground.kubectl(['get', 'pod', name, ran]), image, 'the node ran what was pushed');
});
