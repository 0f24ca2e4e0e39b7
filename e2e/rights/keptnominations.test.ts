import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { parse, parseAllDocuments, stringify } from 'yaml';
import { AWAITS_PLAN, KENTROLLER } from '../../api/labels.ts';
import { PODS } from '../../api/resources.ts';
import { connect, type KubeClient } from '../../kube/client/client.ts';
import { eventually, kubeconfig, Scene } from '../pinner/fixture.ts';
import { kubeconfigOf } from '../support/account.ts';
import { podOf } from './attempt.ts';

/**
 * What the overlay kept-nominations makes of kube-scheduler's writes: at no moment is a refused pod without a nomination, but
 * where nobody of ours sets it back. Whether a policy buys is judged on whole clusters (e2e/unscheduled.test.ts).
 */

const scene = new Scene('kept-nominations');
const { client, namespace } = scene;
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const PRIORITIES = '/apis/scheduling.k8s.io/v1/priorityclasses';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>> & {
    readonly matchConstraints?: object;
    readonly matchConditions?: readonly { readonly name: string }[];
  };
}

/** The policy for this suite's namespace alone, and in force whatever the AutoscalerPolicy of the API server says. */
const manifests = (): readonly Manifest[] =>
  parseAllDocuments(readFileSync('manifests/components/kept-nominations/policy.yaml', 'utf8')).map(
    (document) => {
      const { metadata, spec, ...rest } = document.toJS() as Manifest;
      const { paramKind: _kind, paramRef: _ref, matchConstraints, matchConditions, ...others } = spec;
      const matchLabels = { 'kubernetes.io/metadata.name': namespace };
      return {
        ...rest,
        metadata: { ...metadata, name: namespace },
        spec: {
          ...others,
          ...('policyName' in others && { policyName: namespace }),
          ...(matchConstraints && {
            matchConstraints: { ...matchConstraints, namespaceSelector: { matchLabels } },
            matchConditions: matchConditions?.filter(({ name }) => name !== 'in-force') ?? [],
          }),
        },
      };
    },
  );
const pathOf = ({ kind, metadata }: Manifest): string =>
  `${ADMISSION}/${kind === 'MutatingAdmissionPolicy' ? 'mutatingadmissionpolicies' : 'mutatingadmissionpolicybindings'}/${metadata.name}`;

const asScheduler = (): KubeClient => {
  const config = parse(readFileSync(kubeconfig, 'utf8')) as { users: { name: string; user: object }[] };
  const users = config.users.map(({ name, user }) => ({
    name,
    user: { ...user, as: 'system:kube-scheduler' },
  }));
  const file = join(tmpdir(), `${namespace}-scheduler.kubeconfig`);
  writeFileSync(file, stringify({ ...config, users }), { mode: 0o600 });
  return connect({ kubeconfig: file, userAgent: 'scheduler', qps: 1_000, burst: 2_000 });
};

let scheduler: KubeClient;
let kentroller: KubeClient;
let made = 0;

const REFUSED = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable' };

interface Before {
  readonly isRefused: boolean;
  readonly nomination?: string;
  readonly spec?: object;
}

/** A pod in this state. */
const podIn = async ({ isRefused, nomination, spec }: Before): Promise<string> => {
  made += 1;
  const name = `p-${made}`;
  await client.create(PODS, podOf(namespace, name, { spec: { schedulerName: 'nobody', ...spec } }));
  const status = {
    ...(isRefused && { conditions: [REFUSED] }),
    ...(nomination !== undefined && { nominatedNodeName: nomination }),
  };
  await client.patch(PODS, { name, namespace }, { status }, { subresource: 'status' });
  return name;
};

const write = async (as: KubeClient, name: string, status: object): Promise<string | undefined> => {
  const written = await as.patch(PODS, { name, namespace }, { status }, { subresource: 'status' });
  return written.status?.nominatedNodeName;
};
/** As kube-scheduler reports an attempt that has failed. */
const refuse = (name: string, message = 'no room'): Promise<string | undefined> =>
  write(scheduler, name, { conditions: [{ ...REFUSED, message }], nominatedNodeName: null });

t.before(async () => {
  await scene.open();
  scheduler = asScheduler();
  const account = kubeconfigOf(kubeconfig, { namespace, name: KENTROLLER });
  kentroller = connect({ kubeconfig: account ?? '', userAgent: 'kentroller', qps: 1_000, burst: 2_000 });
  for (const body of manifests())
    await client.request('PATCH', pathOf(body), {
      query: { fieldManager: 'suite', force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body,
    });
  await client.request('POST', PRIORITIES, {
    body: { metadata: { name: namespace }, value: 0, preemptionPolicy: 'Never' },
  });
  await eventually('the API server knows the PriorityClass', () =>
    podIn({ isRefused: false, spec: { priorityClassName: namespace } }),
  );
  await eventually('the policy is in force', async () => {
    if ((await refuse(await podIn({ isRefused: false }))) === undefined)
      throw new Error('a pod that was refused has no nomination yet');
    return true;
  });
});
t.teardown(async () => {
  for (const each of manifests().toReversed()) await client.request('DELETE', pathOf(each)).catch(() => {});
  await client.request('DELETE', `${PRIORITIES}/${namespace}`).catch(() => {});
  scheduler.close();
  kentroller.close();
  await scene.close();
});

t.test('kube-scheduler leaves no pod that it refuses without a nomination', async (t) => {
  const rows: readonly (readonly [says: string, before: Before, after: string | undefined])[] = [
    ['refused for the first time', { isRefused: false }, AWAITS_PLAN],
    ['refused again', { isRefused: true, nomination: AWAITS_PLAN }, `${AWAITS_PLAN}.1`],
    ['and again', { isRefused: true, nomination: `${AWAITS_PLAN}.1` }, `${AWAITS_PLAN}.2`],
    [
      'fault: nine times before kentroller writes',
      { isRefused: true, nomination: `${AWAITS_PLAN}.8` },
      `${AWAITS_PLAN}.9`,
    ],
    ['for the tenth time without us', { isRefused: true, nomination: `${AWAITS_PLAN}.9` }, undefined],
    ['left to others', { isRefused: true }, undefined],
    ['nominated to a machine that has not joined', { isRefused: true, nomination: 'a-claim' }, AWAITS_PLAN],
    [
      'one whose nomination stays by itself',
      { isRefused: false, spec: { priorityClassName: namespace } },
      undefined,
    ],
  ];
  for (const [says, before, after] of rows) t.equal(await refuse(await podIn(before)), after, says);
});

t.test('what is no refusal is left as it is', async (t) => {
  const fresh = await podIn({ isRefused: false });
  const failed = { conditions: [{ ...REFUSED, reason: 'SchedulerError' }] };
  t.equal(await write(scheduler, fresh, failed), undefined, 'an attempt that failed for another reason');
  const preempting = { conditions: [REFUSED], nominatedNodeName: 'victims-node' };
  t.equal(await write(scheduler, fresh, preempting), 'victims-node', 'a pod that others make room for');
  const held = await podIn({ isRefused: true, nomination: AWAITS_PLAN });
  t.equal(await write(client, held, { nominatedNodeName: null }), undefined, 'an administrator takes it off');
  const again = await podIn({ isRefused: true, nomination: AWAITS_PLAN });
  t.equal(await write(kentroller, again, { nominatedNodeName: null }), undefined, 'kentroller takes it off');
});
