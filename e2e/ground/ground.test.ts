import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { paced } from '../../kube/testing/pace.ts';
import { attach, up } from './ground.ts';
import { markedProcesses } from './host/processes.ts';
import { hostState } from './host/state.ts';
import { install } from './install.ts';
import { cgroupOf, processesIn } from './node/cgroups.ts';
import { until } from './ready.ts';

const skip =
  process.platform === 'linux' && process.getuid?.() === 0 ? false : 'network namespaces need root on Linux';

// Programs may have to be built.
t.setTimeout(paced(1_200_000));

const env = { ...process.env, GROUND: 'modules', GROUND_STATE_DIR: '/var/tmp/pp-test' };

const stateOfHost = () =>
  hostState(
    env.GROUND_STATE_DIR,
    ['left', 'right', 'broken'].map((name) => join(env.GROUND_STATE_DIR, name)),
  );

t.teardown(() => {
  if (t.passing()) rmSync(env.GROUND_STATE_DIR, { recursive: true, force: true });
});

t.test(
  'two grounds side by side, one killed hard and brought up again, and nothing left in the end',
  { skip },
  async (t) => {
    const before = await stateOfHost();
    const names = ['left', 'right'] as const;
    t.teardown(async () => {
      for (const name of names)
        if (existsSync(join(env.GROUND_STATE_DIR, name, 'ground.json'))) await attach(name, env).down();
    });
    const bring = (name: string) => up({ name, cloud: false, realNode: true, env });
    // One after the other: the first caches what all of them build and share.
    const left = await bring('left');
    const right = await bring('right');

    await t.test('they have addresses and networks of their own', async (t) => {
      t.not(left.address, right.address);
      for (const ground of [left, right]) {
        t.match(await ground.exec(['ip', '-brief', 'address', 'show', 'eth0']), ground.address);
        t.match(await ground.kubectl(['get', 'nodes', '--output=wide']), ground.address);
      }
    });

    await t.test('what is made in one is not in the other', async (t) => {
      await left.kubectl(['create', 'namespace', 'only-left']);
      t.match(await left.kubectl(['get', 'namespace', 'only-left', '--output=name']), 'namespace/only-left');
      await t.rejects(right.kubectl(['get', 'namespace', 'only-left']), /not found/);
    });

    await t.test('our components run on the real node, and nothing else does', async (t) => {
      const manifests = {
        'kustomization.yaml': 'resources: [all.json]',
        'all.json': JSON.stringify(components()),
      };
      await install(left, t.testdir(manifests));
      const pod = (await left.kubectl(['get', 'pods', '--namespace=castai-agent', '--output=name'])).trim();
      let fetched = '';
      // A pod is Ready a moment before kube-proxy sends its Service's calls there.
      await until('the pod reaches its own Service', 20_000, async () => {
        const exec = ['exec', '--namespace=castai-agent', pod, '--', '/usr/bin/node', '-e', FETCH];
        fetched = await left.kubectl(exec);
        return fetched !== '';
      });
      t.equal(fetched.trim(), '200 65532', 'a name, a Service, the API server and the pod itself work');
      t.match(await left.kubectl(['logs', '--namespace=castai-agent', pod]), 'component listens');
      await left.kubectl(['run', 'workload', '--image=precision-packer:dev', '--', '--version']);
      await until('the workload is refused', 20_000, async () => {
        const events = await left.kubectl([
          'get',
          'events',
          '--field-selector=involvedObject.name=workload',
          '--output=json',
        ]);
        return events.includes('untolerated taint');
      });
    });

    await t.test(
      'killed hard and brought up again it is a new cluster, and its containers are gone',
      async (t) => {
        const containers = processesIn(cgroupOf(left.dir)).map((one) => one.pid);
        t.ok(containers.length >= 2, 'a container and its pause');
        for (const one of left.processes()) process.kill(one.pid, 'SIGKILL');
        t.ok((await right.kubectl(['get', '--raw=/readyz'])) === 'ok', 'the other one does not notice');
        const again = await bring('left');
        await t.rejects(again.kubectl(['get', 'namespace', 'only-left']), /not found/);
        t.strictSame(
          containers.filter((pid) => existsSync(`/proc/${pid}`)),
          [],
        );
        t.ok((await right.kubectl(['get', '--raw=/readyz'])) === 'ok');
      },
    );

    await t.test('nothing is left of them but logs and certificates', async (t) => {
      for (const name of names) await attach(name, env).down();
      for (const ground of [left, right]) {
        t.strictSame(markedProcesses(ground.dir), []);
        t.strictSame(
          readdirSync(ground.dir).sort(),
          ['last.json', 'logs', 'logs.previous', 'pki'].filter((name) => existsSync(join(ground.dir, name))),
        );
        t.ok(readFileSync(join(ground.dir, 'logs', 'kubelet.log'), 'utf8').length > 0);
      }
      t.strictSame(await stateOfHost(), before);
    });
  },
);

t.test('a ground that can not come up leaves its logs and nothing else', { skip }, async (t) => {
  const before = await stateOfHost();
  await t.rejects(
    up({ name: 'broken', apiserverArgs: ['--no-such-flag'], env }),
    /broken did not come up.*logs/,
  );
  t.strictSame(await stateOfHost(), before);
  t.match(
    readFileSync(join(env.GROUND_STATE_DIR, 'broken', 'logs', 'apiserver.log'), 'utf8'),
    'no-such-flag',
  );
});

t.test('a name that is no folder or address is refused', async (t) => {
  for (const name of ['', '../up', 'UP', 'a'.repeat(17)])
    await t.rejects(up({ name, env }), /a ground is named by/);
});

/** A Deployment as strict as ours, with a Service, that knows nothing of the ground. */
function components(): object {
  const labels = { app: 'component' };
  const metadata = { name: 'component', namespace: 'castai-agent' };
  const script =
    "require('http').createServer((q, r) => r.end(String(process.getuid()))).listen(8080, () => console.log('component listens'))";
  const container = {
    name: 'component',
    image: 'precision-packer:dev',
    args: ['-e', script],
    readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 1 },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
  };
  const securityContext = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
  const template = { metadata: { labels }, spec: { securityContext, containers: [container] } };
  const enforce = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: metadata.namespace, labels: enforce } },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: { selector: { matchLabels: labels }, template },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata,
        spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
      },
    ],
  };
}

/** Run in a pod: asks the API server by its name with the pod's own token, and the pod itself through its Service. */
const FETCH = `
const fs = require('fs');
const own = '/var/run/secrets/kubernetes.io/serviceaccount/';
const headers = { authorization: 'Bearer ' + fs.readFileSync(own + 'token') };
require('https').get('https://kubernetes.default.svc/api', { ca: fs.readFileSync(own + 'ca.crt'), headers }, async (r) => {
  const body = await (await fetch('http://component.castai-agent.svc.cluster.local')).text();
  console.log(r.statusCode, body);
  process.exit();
});`;
