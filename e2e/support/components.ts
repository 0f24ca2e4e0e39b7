import { cloudOf } from '../ground/aws/cloud.ts';
import type { CloudControl } from '../ground/aws/control/client.ts';
import type { Ground } from '../ground/ground.ts';
import type { Progress } from '../ground/host/progress.ts';
import { loadComponents } from '../ground/image/images.ts';
import { install } from '../ground/install.ts';

const NAMESPACE = 'castai-agent';

/** The control port of the ground's cloud: faults, interruptions, instances. */
export const controlOf = (ground: Ground): CloudControl => cloudOf(ground).control;

/** Settings of kentroller on a cluster without a cloud identity: they name the ground's AWS endpoint. */
export const cloudSettings = (ground: Ground): Readonly<Record<string, string>> => {
  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...open } = cloudOf(ground).env;
  return open;
};

/** The namespace, and the Secret that holds kentroller's credentials. */
const credentialObjects = (ground: Ground): readonly object[] => {
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = cloudOf(ground).env;
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'castai-kentroller', namespace: NAMESPACE },
      stringData: { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY },
    },
  ];
};

const settingsObject = (data: Readonly<Record<string, string>>): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'castai-kentroller', namespace: NAMESPACE },
  data,
});

const applyObjects = async (ground: Ground, items: readonly object[]): Promise<void> => {
  await ground.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  });
};

/** What a user makes before the first `helm install`: the namespace and the credentials. */
export const applyCredentials = (ground: Ground): Promise<void> =>
  applyObjects(ground, credentialObjects(ground));

/** The same for kustomize, and a ConfigMap named like the Deployment, which holds its options. */
export const configure = (ground: Ground, settings: Readonly<Record<string, string>> = {}): Promise<void> =>
  applyObjects(ground, [
    ...credentialObjects(ground),
    settingsObject({ ...cloudSettings(ground), ...settings }),
  ]);

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
