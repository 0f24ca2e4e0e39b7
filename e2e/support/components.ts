import { cloudOf } from '../ground/aws/cloud.ts';
import type { CloudControl } from '../ground/aws/control/client.ts';
import type { Ground } from '../ground/ground.ts';
import type { Progress } from '../ground/host/progress.ts';
import { loadComponents } from '../ground/image/images.ts';
import { install } from '../ground/install.ts';

const NAMESPACE = 'castai-agent';

/** The control port of the ground's cloud: faults, interruptions, instances. */
export const controlOf = (ground: Ground): CloudControl => cloudOf(ground).control;

/**
 * Settings of a cluster without a cloud identity: a ConfigMap and a Secret named like the Deployment hold its
 * options. Here they name the ground's AWS endpoint.
 */
const configure = async (ground: Ground, settings: Readonly<Record<string, string>>): Promise<void> => {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '', ...open } = cloudOf(ground).env;
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'castai-kentroller', namespace: NAMESPACE },
      data: { ...open, ...settings },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'castai-kentroller', namespace: NAMESPACE },
      stringData: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY },
    },
  ];
  await ground.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
  });
};

/** Builds our image, loads it on the real node, and installs the unchanged manifests that users apply. */
export const installComponents = async (
  ground: Ground,
  progress: Progress,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> => {
  await progress.during('build and load the image', () => loadComponents(ground));
  await progress.during('install kentroller, pod pinner and webhook', async () => {
    await configure(ground, settings);
    await install(ground, 'manifests/base');
  });
};
