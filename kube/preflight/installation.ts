import { KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER } from '../../api/labels.ts';
import type { MutatingWebhookConfiguration, Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { findCoexistingWebhooks, HARMLESS_WEBHOOKS } from '../otherwebhooks.ts';
import { type Check, checkFound, type Found, fine, isSeen, lacks, listed, note, skipped } from './check.ts';
import type { DeploymentObject, InstallFacts, MissingRights } from './facts.ts';

/** Our Deployments, each with what is gone without it. */
const COMPONENTS: Readonly<Record<string, string>> = {
  [KENTROLLER]: 'no plan is made or carried out',
  [POD_PINNER]: 'pods are not pinned, and plans wait',
  [POD_PINNER_WEBHOOK]: 'pods are pinned late, after they are created',
  [POD_PINNER_WEBHOOK_KEEPER]: 'the webhook is never called, and its certificate runs out',
};

/** Names of our ValidatingAdmissionPolicies. */
export const POLICIES: readonly string[] = [
  'castai-own-guards',
  'castai-own-names',
  'castai-own-node-leases',
  'castai-own-nodeclaims',
  'castai-own-nodes',
  'castai-own-pod-creation',
  'castai-own-pod-subresources',
  'castai-own-pods',
  'precision-packer-auto-execute',
];

interface Waiting {
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
}

/** Why a component's pods do not run, as far as their status says. */
const whyNot = (pods: Found<readonly Pod[]>, component: string): string => {
  if (!isSeen(pods)) return `, and its pods could not be seen: ${pods.unseen}`;
  const own = pods.value.filter(({ metadata }) => metadata.labels?.app === component);
  const waiting = own
    .flatMap(({ status }) => (status?.containerStatuses ?? []) as readonly Waiting[])
    .map(({ state }) => state?.waiting)
    .find((each) => each?.reason !== undefined);
  if (waiting) return `: ${waiting.reason}${waiting.message ? `, ${waiting.message}` : ''}`;
  const unscheduled = own
    .flatMap(({ status }) => status?.conditions ?? [])
    .find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  return unscheduled?.message ? `: ${unscheduled.message}` : '';
};

const checkComponent = (
  { namespace, pods }: InstallFacts,
  deployments: readonly DeploymentObject[],
  [name, loss]: readonly [string, string],
): Omit<Check, 'name'> => {
  const deployment = deployments.find(({ metadata }) => metadata.name === name);
  if (!deployment) {
    return lacks(
      `The Deployment ${name} is missing in ${namespace}, so ${loss}: apply manifests/base again.`,
    );
  }
  const wanted = deployment.spec?.replicas ?? 1;
  const ready = deployment.status?.readyReplicas ?? 0;
  if (wanted === 0) return note(`${name} is scaled to 0, so ${loss}.`);
  return ready > 0
    ? fine(`${name} runs: ${ready} of ${wanted} replicas are ready.`)
    : lacks(`${name} does not run, so ${loss}${whyNot(pods, name)}.`);
};

const checkComponents = (facts: InstallFacts): readonly Check[] =>
  checkFound('components', `Our Deployments in ${facts.namespace}`, facts.deployments, (deployments) =>
    Object.entries(COMPONENTS).map((component) => checkComponent(facts, deployments, component)),
  );

/** One line an account, whose rights were asked for. */
export const checkRights = (missing: Found<MissingRights>): readonly Check[] =>
  checkFound('rights', 'The rights of our ServiceAccounts', missing, (byAccount) =>
    [...byAccount].map(([account, rights]) =>
      rights.length === 0
        ? fine(`${account} has all of its rights.`)
        : lacks(`${account} may not ${listed(rights, 4)}: apply our roles again (manifests/base).`),
    ),
  );

/** Nothing where none of our policies is there: that is told of the policies. */
const checkBindings = (
  policies: InstallFacts['policies'],
  enforced: InstallFacts['enforced'],
): readonly Check[] => {
  const what = 'The bindings of our ValidatingAdmissionPolicies';
  const found = isSeen(enforced) && !isSeen(policies) ? policies : enforced;
  return checkFound('policy-bindings', what, found, (bound) => {
    const there = isSeen(policies) ? POLICIES.filter((name) => policies.value.includes(name)) : [];
    if (there.length === 0) return [];
    const loose = there.filter((name) => !bound.includes(name));
    return [
      loose.length === 0
        ? fine('Each of our policies that is there has a binding that denies.')
        : lacks(
            `${listed(loose, 3)} ${loose.length === 1 ? 'has' : 'have'} no binding that denies, so nobody is held back by ${loose.length === 1 ? 'it' : 'them'}: apply manifests/base/policies and users again.`,
          ),
    ];
  });
};

const checkPolicies = ({ policies, enforced }: InstallFacts): readonly Check[] => [
  ...checkFound('policies', 'Our ValidatingAdmissionPolicies', policies, (found) => {
    const missing = POLICIES.filter((name) => !found.includes(name));
    return [
      missing.length === 0
        ? fine(`All ${POLICIES.length} policies that hold our accounts back are there.`)
        : note(
            `${listed(missing, 3)} ${missing.length === 1 ? 'is' : 'are'} not there, so our accounts may do all that their roles say (docs/security.md).`,
          ),
    ];
  }),
  ...checkBindings(policies, enforced),
];

const checkConfiguration = (own: MutatingWebhookConfiguration | undefined): Omit<Check, 'name'> => {
  if (!own) {
    return lacks(
      `The MutatingWebhookConfiguration ${POD_PINNER_WEBHOOK} is missing, so pods are pinned late: apply manifests/base again.`,
    );
  }
  const clients = (own.webhooks ?? []).map(({ clientConfig }) => clientConfig);
  if (clients.length === 0 || clients.some(({ caBundle }) => !caBundle)) {
    return lacks(
      `The MutatingWebhookConfiguration ${POD_PINNER_WEBHOOK} has no caBundle, so the API server trusts no answer: see the log of ${POD_PINNER_WEBHOOK_KEEPER}, which writes it.`,
    );
  }
  return clients.some(({ url, service }) => url === undefined && !service?.path)
    ? lacks(
        `The MutatingWebhookConfiguration ${POD_PINNER_WEBHOOK} has no path, so the webhook answers 404: see the log of ${POD_PINNER_WEBHOOK_KEEPER}, which writes it.`,
      )
    : fine('The webhook is registered, with its caBundle and path.');
};

const checkWebhook = ({ answer, configurations, namespace }: InstallFacts): readonly Check[] => [
  ...checkFound('webhook', 'Our webhook configuration', configurations, (found) => [
    checkConfiguration(found.find(({ metadata }) => metadata.name === POD_PINNER_WEBHOOK)),
  ]),
  ...checkFound('webhook-reach', 'Whether the API server reaches the webhook', answer, (found) => [
    found.kind === 'answers'
      ? fine('The API server reaches the webhook.')
      : lacks(
          `The API server does not reach the webhook in ${namespace} (${found.reason}): allow its network to reach port 8443 of the pods, in security groups as well as in NetworkPolicies.`,
        ),
  ]),
];

/** Webhooks of others, before and after an installation. */
export const checkOtherWebhooks = (
  configurations: Found<readonly MutatingWebhookConfiguration[]>,
): readonly Check[] =>
  checkFound('other-webhooks', 'Mutating webhooks of others', configurations, (found) => {
    const { everywhere, byNamespace } = findCoexistingWebhooks(found, {
      own: POD_PINNER_WEBHOOK,
      harmless: HARMLESS_WEBHOOKS,
    });
    const names = [...new Set([...everywhere, ...byNamespace.values()])].sort();
    const where = everywhere.length > 0 ? '' : ` in ${listed([...new Set(byNamespace.keys())].sort())}`;
    return [
      names.length === 0
        ? fine('No webhook of others changes where pods fit.')
        : note(
            `${listed(names)} may change where pods fit${where}: pins wait for ${names.length === 1 ? 'it' : 'them'} behind a scheduling gate (COEXISTENCE=auto); name harmless ones in HARMLESS_WEBHOOKS.`,
          ),
    ];
  });

/** What is looked at once something of ours is installed. */
export const checkInstallation = (facts: InstallFacts): readonly Check[] => [
  ...checkComponents(facts),
  ...checkRights(facts.missing),
  ...checkPolicies(facts),
  ...checkWebhook(facts),
];

/** Whether a name is one of our Deployments. */
export const isOurComponent = (name: string): boolean => valueAt(COMPONENTS, name) !== undefined;

/** Before an installation: whether whoever asks may install. */
export const checkInstaller = (missing: Found<readonly string[]>): readonly Check[] => [
  {
    name: 'installation',
    ...skipped('precision-packer is not installed yet, so nothing of it was looked at.'),
  },
  ...checkFound('may-install', 'Whether you may install it', missing, (rights) => [
    rights.length === 0
      ? fine('You may create and change all that an installation consists of.')
      : lacks(`You may not ${listed(rights, 4)}: have a cluster administrator install it.`),
  ]),
];
