import t from 'tap';
import { chooseBackend } from './backend.ts';
import { kindConfig } from './backends/kindcluster.ts';

t.test('GROUND says what a ground is made with', async (t) => {
  t.equal(await chooseBackend({ GROUND: 'modules' }), 'modules');
  t.equal(await chooseBackend({ GROUND: 'kind' }), 'kind');
  await t.rejects(chooseBackend({ GROUND: 'minikube' }), /GROUND is modules or kind, not minikube/);
});

t.test("further arguments reach kind's scheduler and API server as kubeadm takes them", async (t) => {
  const config = kindConfig({
    nodes: 3,
    schedulerArgs: ['--config=/etc/a=b.yaml'],
    apiserverArgs: ['--profiling'],
    files: ['/var/tmp/x/logs'],
  }) as {
    nodes: object[];
    kubeadmConfigPatches: string[];
  };
  t.match(JSON.parse(config.kubeadmConfigPatches[0] ?? '{}'), {
    scheduler: { extraArgs: [{ name: 'config', value: '/etc/a=b.yaml' }] },
    apiServer: {
      extraArgs: [{ name: 'profiling', value: 'true' }],
      extraVolumes: [{ hostPath: '/var/tmp/x/logs', mountPath: '/var/tmp/x/logs' }],
    },
  });
  t.match(config.nodes, [
    {
      role: 'control-plane',
      extraMounts: [{ hostPath: '/var/tmp/x/logs', containerPath: '/var/tmp/x/logs' }],
    },
    { role: 'worker' },
    { role: 'worker' },
  ]);
});
