import { type ChildProcess, spawn } from 'node:child_process';
import { POD_PINNER_WEBHOOK_KEEPER } from '../../../api/labels.ts';
import { REBALANCE_PLANS } from '../../../api/resources.ts';
import { connect, type KubeClient } from '../../../kube/client/client.ts';
import { messageOf } from '../../../kube/errors.ts';
import { CONFIGURATION, callHere } from './callhere.ts';

/**
 * Our components as processes against the cluster of KUBECONFIG: `make run`. The cluster has
 * manifests/overlays/processes already; the webhook runs too where WEBHOOK_HOST names an address that the API server
 * reaches.
 */

const WEBHOOK_PORT = 18_443;

interface Component {
  readonly folder: string;
  readonly app: string;
  readonly env: Readonly<Record<string, string>>;
}

const componentsFor = (webhookHost: string): readonly Component[] => [
  { folder: 'kentroller', app: 'castai-kentroller', env: { HEALTH_PORT: '18081', PEER_PORT: '19441' } },
  {
    folder: 'extender',
    app: 'castai-pod-pinner',
    env: { HEALTH_PORT: '18082', PEER_PORT: '19442', PORT: '18080' },
  },
  ...(webhookHost === ''
    ? []
    : [
        {
          folder: 'webhook',
          app: CONFIGURATION,
          env: { HEALTH_PORT: '18083', PORT: String(WEBHOOK_PORT) },
        },
        { folder: 'webhook/keeper', app: POD_PINNER_WEBHOOK_KEEPER, env: { EXTRA_NAMES: webhookHost } },
      ]),
];

const isInstalled = async (client: KubeClient): Promise<boolean> =>
  client.list(REBALANCE_PLANS).then(
    () => true,
    () => false,
  );

const start = (component: Component): ChildProcess =>
  spawn(process.execPath, [`${component.folder}/main.ts`], {
    stdio: 'inherit',
    env: {
      ...process.env,
      POD_NAMESPACE: 'castai-agent',
      POD_NAME: `${component.app}-${process.pid}`,
      POD_IP: '127.0.0.1',
      ...component.env,
    },
  });

const run = async (): Promise<void> => {
  const { KUBECONFIG: kubeconfig, WEBHOOK_HOST: webhookHost = '' } = process.env;
  if (!kubeconfig) throw new Error('set KUBECONFIG to the cluster that the components are to work on');
  const client = connect({ kubeconfig, userAgent: 'precision-packer-run' });
  if (!(await isInstalled(client))) {
    throw new Error(
      'the cluster knows no RebalancePlans: kubectl apply --server-side -k manifests/overlays/processes',
    );
  }
  if (webhookHost !== '') await callHere(client, webhookHost, WEBHOOK_PORT);
  client.close();
  const children = componentsFor(webhookHost).map(start);
  const stop = (signal: NodeJS.Signals): void => {
    for (const child of children) if (child.exitCode === null) child.kill(signal);
  };
  process.on('SIGINT', () => stop('SIGINT')).on('SIGTERM', () => stop('SIGTERM'));
  for (const child of children) {
    child.on('exit', (code) => {
      if (code) process.exitCode = 1;
      stop('SIGTERM');
    });
  }
};

await run().catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
});
