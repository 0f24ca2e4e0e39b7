import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { KubeObject } from '../../api/objects.ts';
import { CONFIG_MAPS, DEPLOYMENTS, type Resource } from '../../api/resources.ts';
import type { KubeClient } from '../../kube/client/client.ts';
import { isNotFound, messageOf } from '../../kube/errors.ts';
import { type Check, ended, isSeen, lacks, look, skipped, unknown } from '../../kube/preflight/check.ts';
import {
  checkSchedulerPolicy,
  type Extender,
  type SchedulerPolicy,
} from '../../kube/preflight/schedulerpolicy.ts';
import { UsageError } from '../flags.ts';

/** The second scheduler of manifests/overlays. */
const SECOND_SCHEDULER = 'castai-scheduler';
const KEY = 'configuration.yaml';

interface SchedulerDeployment extends KubeObject {
  readonly spec?: {
    readonly template?: {
      readonly spec?: { readonly volumes?: readonly { readonly configMap?: { readonly name?: string } }[] };
    };
  };
}

const KIND = 'KubeSchedulerConfiguration';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A policy, or why the text is none, as the end of a sentence. */
type ReadPolicy = SchedulerPolicy & { readonly fault?: string };

const judge = (policy: ReadPolicy): Omit<Check, 'name'> =>
  policy.fault === undefined
    ? checkSchedulerPolicy(policy)
    : lacks(`${policy.where} can't be used as a policy: ${policy.fault}.`);

const policyOf = (where: string, text: string): ReadPolicy => {
  const policy: unknown = parse(text);
  const { kind, extenders } = isRecord(policy) ? policy : {};
  if (kind !== KIND) return { where, fault: `it is no ${KIND}` };
  if (extenders === undefined || extenders === null) return { where };
  if (!Array.isArray(extenders) || !extenders.every(isRecord))
    return { where, fault: 'its extenders are no list of objects, so kube-scheduler does not start with it' };
  return { where, extenders: extenders as readonly Extender[] };
};

/** A kube-scheduler's policy file. Throws UsageError where it is none. */
const readPolicyFile = (file: string): ReadPolicy => {
  try {
    return policyOf(file, readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new UsageError(
      `--scheduler-config must name a KubeSchedulerConfiguration in YAML; ${file} could not be read: ${messageOf(cause)}.`,
      { cause },
    );
  }
};

/** The policy of the second scheduler; undefined where there is none. */
const readSecondScheduler = async (
  client: KubeClient,
  namespace: string,
  signal: AbortSignal,
): Promise<ReadPolicy | undefined> => {
  try {
    const ref = { name: SECOND_SCHEDULER, namespace };
    const deployment = await client.get(DEPLOYMENTS as Resource<SchedulerDeployment>, ref, { signal });
    const volumes = deployment.spec?.template?.spec?.volumes ?? [];
    const name = volumes.find(({ configMap }) => configMap?.name)?.configMap?.name;
    if (name === undefined) return undefined;
    const { data } = await client.get(CONFIG_MAPS, { name, namespace }, { signal });
    return policyOf(`${SECOND_SCHEDULER} (ConfigMap ${name})`, data?.[KEY] ?? '');
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
};

/** Whether schedulers that ask the pod pinner do so safely. The API shows no policy of a control plane's own. */
export const checkSchedulers = async (
  client: KubeClient,
  o: { readonly namespace: string; readonly file: string | undefined; readonly signal: AbortSignal },
): Promise<readonly Omit<Check, 'name'>[]> => {
  const ofFile = o.file === undefined ? [] : [judge(readPolicyFile(o.file))];
  const second = await look(() => readSecondScheduler(client, o.namespace, o.signal));
  const ofSecond = !isSeen(second)
    ? [unknown(`The policy of ${SECOND_SCHEDULER} could not be seen: ${ended(second.unseen)}`)]
    : second.value === undefined
      ? []
      : [judge(second.value)];
  const all = [...ofFile, ...ofSecond];
  return all.length > 0
    ? all
    : [
        skipped(
          'No kube-scheduler that asks the pod pinner was looked at, and none is needed: name the policy file of your own with --scheduler-config.',
        ),
      ];
};
