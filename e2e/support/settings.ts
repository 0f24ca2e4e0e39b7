import { INSTALL_NAMESPACE } from '../../api/labels.ts';
import { CONFIG_MAPS } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { ignoreNotFound } from '../../kube/ignore.ts';
import { pacedSeconds } from '../../kube/testing/pace.ts';
import { until } from '../../kube/testing/until.ts';
import type { Ground } from '../ground/ground.ts';

const NAMESPACE = 'castai-agent';
const NAME = 'castai-kentroller';

const names = (text: string): string[] => text.split(/\s+/).filter((name) => name !== '');

/** Waits until every replica of the Deployment is of its latest template, and one of them leads. */
const rolledOut = async (ground: Ground): Promise<void> => {
  const kubectl = (...args: string[]) => ground.kubectl([...args, '-n', NAMESPACE]);
  await kubectl('rollout', 'restart', `deployment/${NAME}`);
  await kubectl('rollout', 'status', `deployment/${NAME}`, `--timeout=${pacedSeconds(300)}`);
  await until(
    `one of the new ${NAME} leads`,
    async () => {
      const holder = await kubectl('get', 'lease', NAME, '-o', 'jsonpath={.spec.holderIdentity}');
      const pods = await kubectl(
        'get',
        'pods',
        '-l',
        `app=${NAME}`,
        '-o',
        'jsonpath={.items[*].metadata.name}',
      );
      const ready = names(pods);
      return ready.length === 2 && ready.includes(holder);
    },
    { timeoutMs: 60_000, everyMs: 500 },
  );
};

/**
 * Runs kentroller with additional settings in its ConfigMap, as a user would, and restores the earlier ones afterwards.
 */
export const withSettings = async <T>(
  ground: Ground,
  settings: Readonly<Record<string, string>>,
  act: () => Promise<T>,
): Promise<T> => {
  const patch = async (data: Readonly<Record<string, string | null>>): Promise<void> => {
    const body = JSON.stringify({ data });
    await ground.kubectl(['patch', 'configmap', NAME, '-n', NAMESPACE, '--type=merge', '-p', body]);
    await rolledOut(ground);
  };
  const text = await ground.kubectl(['get', 'configmap', NAME, '-n', NAMESPACE, '-o', 'json']);
  const { data = {} } = JSON.parse(text) as { readonly data?: Readonly<Record<string, string>> };
  const before = Object.fromEntries(Object.keys(settings).map((key) => [key, data[key] ?? null]));
  await patch(settings);
  try {
    return await act();
  } finally {
    await patch(before);
  }
};

/** The ConfigMap of kentroller's features, which it reads live. */
export const FEATURES = { name: 'castai-kentroller-dynamic-config', namespace: INSTALL_NAMESPACE };

/** Has these features in force during an act, in which they may be patched; the next suite of the cluster finds none. */
export const withFeatures = async <T>(
  client: KubeClient,
  data: Readonly<Record<string, string>>,
  act: () => Promise<T>,
): Promise<T> => {
  await client.create(CONFIG_MAPS, { metadata: FEATURES, data });
  try {
    return await act();
  } finally {
    await client.delete(CONFIG_MAPS, FEATURES).catch(ignoreNotFound);
  }
};
