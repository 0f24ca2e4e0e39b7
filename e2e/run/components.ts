import { spawn } from 'node:child_process';

/** Our three components as processes against the cluster of KUBECONFIG, for who works on them: `make run`. */

const COMPONENTS = [
  { name: 'kentroller', account: 'castai-kentroller', port: 18081, peer: 19441, env: {} },
  {
    name: 'extender',
    account: 'castai-pod-pinner',
    port: 18082,
    peer: 19442,
    env: { EXTENDER_PORT: '18080' },
  },
] as const;

if (!process.env.KUBECONFIG) {
  process.stderr.write('set KUBECONFIG to the cluster that the components work on\n');
  process.exit(1);
}

const children = COMPONENTS.map((component) => {
  const child = spawn(process.execPath, [`${component.name}/main.ts`], {
    stdio: 'inherit',
    env: {
      ...process.env,
      POD_NAMESPACE: 'castai-agent',
      POD_NAME: `${component.account}-${process.pid}`,
      POD_IP: '127.0.0.1',
      HEALTH_PORT: String(component.port),
      PEER_PORT: String(component.peer),
      ...component.env,
    },
  });
  child.on('exit', (code) => {
    if (code !== 0 && code !== null) process.exitCode = 1;
    stop('SIGTERM');
  });
  return child;
});

const stop = (signal: NodeJS.Signals): void => {
  for (const child of children) if (child.exitCode === null) child.kill(signal);
};
process.on('SIGINT', () => stop('SIGINT'));
process.on('SIGTERM', () => stop('SIGTERM'));
