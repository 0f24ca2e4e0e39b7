import { join } from 'node:path';
import { pacedSeconds } from '../../kube/testing/pace.ts';
import { rolledOut } from '../ground/install.ts';
import { applyCredentials, cloudSettings, configure } from '../support/components.ts';
import type { Stage } from '../support/stage.ts';
import { kubectl } from '../support/uninstall.ts';
import { type Release, ROOT } from './release.ts';

/** The two ways to install us, by the commands of README.md. */
export interface Way {
  readonly name: string;
  /** Installs a release, or upgrades to it, and waits until it runs. */
  install(release: Release): Promise<void>;
  /** Leaves all of it there, and nothing running. */
  disable(release: Release): Promise<void>;
  /** `shuffle` decides the order of what may go in any. */
  remove(release: Release, shuffle: <T>(items: readonly T[]) => readonly T[]): Promise<void>;
}

const NAMESPACE = 'castai-agent';
const IN_NAMESPACE = `--namespace=${NAMESPACE}`;
const CRDS = 'precision-packer-crds';
const ALL = 'precision-packer';
const COMPONENTS = [
  'castai-kentroller',
  'castai-pod-pinner',
  'castai-pod-pinner.webhook',
  'castai-pod-pinner.keeper',
];

export const byHelm = ({ ground }: Pick<Stage, 'ground'>): Way => {
  const helm = async (...args: readonly string[]): Promise<string> =>
    ground.exec([await ground.program('helm'), ...args, IN_NAMESPACE]);
  const upgrade = (chart: string, { registry }: Release, ...values: readonly string[]): Promise<string> =>
    helm(
      'upgrade',
      '--install',
      chart,
      `oci://${registry}/charts/${chart}`,
      '--plain-http',
      ...values,
      '--wait',
      `--timeout=${pacedSeconds(180)}`,
    );
  const settings = Object.entries(cloudSettings(ground)).map(
    ([name, value]) => `--set-string=castai-kentroller.settings.${name}=${value.replaceAll(',', '\\,')}`,
  );
  return {
    name: 'Helm',
    install: async (release) => {
      await applyCredentials(ground);
      await upgrade(CRDS, release, '--create-namespace');
      await upgrade(ALL, release, ...settings);
      await rolledOut(ground);
    },
    disable: async (release) => {
      await upgrade(ALL, release, ...settings, ...COMPONENTS.map((one) => `--set=${one}.replicas=0`));
    },
    remove: async (_, shuffle) => {
      for (const release of shuffle([CRDS, ALL])) await helm('uninstall', release, '--wait');
      await kubectl({ ground }, 'delete', 'namespace', NAMESPACE);
    },
  };
};

export const byKustomize = ({ ground }: Pick<Stage, 'ground'>): Way => {
  const folderOf = ({ root }: Release): string => `--kustomize=${join(root, 'dist', 'kustomize')}`;
  return {
    name: 'kustomize',
    install: async (release) => {
      await configure(ground);
      await ground.kubectl(['apply', '--server-side', folderOf(release)]);
      await rolledOut(ground);
    },
    disable: async () => {
      await kubectl({ ground }, 'scale', 'deployment', '--all', IN_NAMESPACE, '--replicas=0');
    },
    remove: async (_, shuffle) => {
      const whole = join(ROOT, 'manifests', 'base');
      const parts = ['crds', 'kentroller', 'pod-pinner'].map((part) => `--filename=${join(whole, part)}`);
      for (const part of shuffle(parts)) await kubectl({ ground }, 'delete', '--ignore-not-found', part);
      await kubectl({ ground }, 'delete', '--ignore-not-found', `--kustomize=${whole}`);
    },
  };
};
