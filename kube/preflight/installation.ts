import { KENTROLLER, POD_PINNER, POD_PINNER_WEBHOOK, POD_PINNER_WEBHOOK_KEEPER } from '../../api/labels.ts';
import type { MutatingWebhookConfiguration, Pod } from '../../api/objects.ts';
import { valueAt } from '../../api/records/valueat.ts';
import { findCoexistingWebhooks, HARMLESS_WEBHOOKS } from '../otherwebhooks.ts';
import { again } from './again.ts';
import { type Check, checkFound, type Found, fine, isSeen, lacks, listed, note, skipped } from './check.ts';
import type {
  DeploymentObject,
  FoundOutside,
  InstallFacts,
  MissingRights,
  MissingToInstall,
} from './facts.ts';
import { byPart, installedObjects, namesOfKind } from './installed.ts';
import { checkLeftOver, checkOutside } from './outside.ts';

/** Our Deployments, each with what is gone without it. */
const COMPONENTS: Readonly<Record<string, string>> = {
  [KENTROLLER]: 'no plan is made or carried out',
  [POD_PINNER]: 'pods are not pinned, and plans wait',
  [POD_PINNER_WEBHOOK]: 'pods are pinned late, after they are created',
  [POD_PINNER_WEBHOOK_KEEPER]: 'the webhook is never called, and its certificate runs out',
};

/** Whether a name is one of our Deployments. */
export const isOurComponent = (name: string): boolean => valueAt(COMPONENTS, name) !== undefined;

const ofOurs = (deployments: readonly DeploymentObject[]): readonly DeploymentObject[] =>
  deployments.filter(({ metadata }) => isOurComponent(metadata.name));

const POLICY = 'ValidatingAdmissionPolicy';

/** Names of our ValidatingAdmissionPolicies that a stock installation has. */
export const POLICIES: readonly string[] = namesOfKind(POLICY, { isOptional: false });

/** Those that hold others back than our components' accounts. */
const OPTIONAL_POLICIES = namesOfKind(POLICY, { isOptional: true });

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
      `The Deployment ${name} is missing in ${namespace}, so ${loss}: ${again('components', ofOurs(deployments))}.`,
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
export const checkRights = (
  missing: Found<MissingRights>,
  deployments: readonly DeploymentObject[] = [],
): readonly Check[] =>
  checkFound('rights', 'The rights of our ServiceAccounts', missing, (byAccount) =>
    [...byAccount].map(([account, rights]) =>
      rights.length === 0
        ? fine(`${account} has all of its rights.`)
        : lacks(
            `${account} may not ${listed(rights, 4)}: its roles are gone or were changed, so ${again('components', deployments)}.`,
          ),
    ),
  );

/** Nothing where none of our policies is there: that is told of the policies. */
const checkBindings = (
  { policies, enforced }: InstallFacts,
  deployments: readonly DeploymentObject[],
): readonly Check[] => {
  const what = 'The bindings of our ValidatingAdmissionPolicies';
  const found = isSeen(enforced) && !isSeen(policies) ? policies : enforced;
  return checkFound('policy-bindings', what, found, (bound) => {
    const known = [...POLICIES, ...OPTIONAL_POLICIES];
    const there = isSeen(policies) ? known.filter((name) => policies.value.includes(name)) : [];
    if (there.length === 0) return [];
    const loose = there.filter((name) => !bound.includes(name));
    if (loose.length === 0) return [fine('Each of our policies that is there has a binding that denies.')];
    const unbound = installedObjects().filter(
      ({ resource, ref }) => resource.kind === POLICY && loose.includes(ref.name),
    );
    return byPart(unbound).map(([part, some]) =>
      lacks(
        `${listed(some.map(({ ref }) => ref.name).sort(), 3)} ${some.length === 1 ? 'has' : 'have'} no binding that denies, so nobody is held back by ${some.length === 1 ? 'it' : 'them'}: ${again(part, deployments)}.`,
      ),
    );
  });
};

const checkPolicies = (facts: InstallFacts, deployments: readonly DeploymentObject[]): readonly Check[] => [
  ...checkFound('policies', 'Our ValidatingAdmissionPolicies', facts.policies, (found) => {
    const missing = POLICIES.filter((name) => !found.includes(name));
    return [
      missing.length === 0
        ? fine(`All ${POLICIES.length} policies that hold our accounts back are there.`)
        : note(
            `${listed(missing, 3)} ${missing.length === 1 ? 'is' : 'are'} not there, so our accounts may do all that their roles say (docs/security.md).`,
          ),
    ];
  }),
  ...checkBindings(facts, deployments),
];

const checkConfiguration = (
  own: MutatingWebhookConfiguration | undefined,
  deployments: readonly DeploymentObject[],
): Omit<Check, 'name'> => {
  if (!own) {
    return lacks(
      `The MutatingWebhookConfiguration ${POD_PINNER_WEBHOOK} is missing, so pods are pinned late: ${again('components', deployments)}.`,
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

const checkWebhook = (
  { answer, configurations, namespace }: InstallFacts,
  deployments: readonly DeploymentObject[],
): readonly Check[] => [
  ...checkFound('webhook', 'Our webhook configuration', configurations, (found) => [
    checkConfiguration(
      found.find(({ metadata }) => metadata.name === POD_PINNER_WEBHOOK),
      deployments,
    ),
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
export const checkInstallation = (facts: InstallFacts): readonly Check[] => {
  const deployments = isSeen(facts.deployments) ? ofOurs(facts.deployments.value) : [];
  return [
    ...checkComponents(facts),
    ...checkRights(facts.missing, deployments),
    ...checkPolicies(facts, deployments),
    ...checkOutside(facts.outside, deployments),
    ...checkWebhook(facts, deployments),
  ];
};

const checkOptions = (options: readonly string[]): readonly Check[] =>
  options.length === 0
    ? []
    : [
        {
          name: 'may-install-options',
          ...note(
            `You may not ${listed(options, 4)}: have a cluster administrator install kept-nominations, soft-pins or monitoring, where you want them.`,
          ),
        },
      ];

/** Before an installation: what is there already, and whether whoever asks may install. */
export const checkInstaller = (o: {
  readonly missing: Found<MissingToInstall>;
  readonly outside: Found<FoundOutside>;
}): readonly Check[] => [
  {
    name: 'installation',
    ...skipped('precision-packer is not installed yet, so nothing of it was looked at.'),
  },
  ...checkLeftOver(o.outside),
  ...checkFound('may-install', 'Whether you may install it', o.missing, ({ stock }) => [
    stock.length === 0
      ? fine('You may create and change all that a stock installation consists of.')
      : lacks(`You may not ${listed(stock, 4)}: have a cluster administrator install it.`),
  ]),
  ...(isSeen(o.missing) ? checkOptions(o.missing.value.options) : []),
];
