import { readFileSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { SOFT_PINS_POLICY } from '../../api/labels.ts';
import type { OwnerReference, Pod } from '../../api/objects.ts';
import { PODS } from '../../api/resources.ts';
import { applySoftPinsKind } from '../../e2e/kentroller/softpinskind.ts';
import { SOFT_PINS } from '../../kentroller/softpins/kind.ts';
import { steeringOf } from '../../kentroller/softpins/steering.ts';
import { until } from '../../kube/testing/until.ts';
import type { Bed } from '../support/bed.ts';
import { dropPods, makeOwner, metricsPage, namesOf, podOf } from '../support/cluster.ts';
import { median, pairedRatio, quantile } from '../support/figures.ts';
import * as prometheus from '../support/prometheus.ts';
import { formatNumber, formatRatio, type Row } from '../support/table.ts';
import { paced } from './load.ts';
import type { Scene } from './scene.ts';

/** The admission policy of soft pins beside the webhook: what each adds to the creation of a pod. */

const POLICY = new URL('../../manifests/components/soft-pins/policy.yaml', import.meta.url);
const ADMISSION = '/apis/admissionregistration.k8s.io/v1';
const DURATION = 'apiserver_admission_controller_admission_duration_seconds';
const OWNERS = 20;
const NODES = 40;
const SLOTS = 1_000;
const APPLY = {
  query: { fieldManager: 'bench', force: 'true' },
  contentType: 'application/apply-patch+yaml',
};

type Name = 'none' | 'webhook' | 'one plan' | 'eight plans';

interface Side {
  readonly name: Name;
  readonly namespace: string;
  /** The API server's plugin that acts on the pods. */
  readonly plugin: string;
  podOf(name: string, i: number): Pod;
}

interface Round {
  /** Milliseconds of each creation at its client. */
  readonly creations: readonly number[];
  /** The API server's time in the plugin. */
  readonly admission: prometheus.Histogram;
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: { readonly policyName?: string };
}

/** The installed policy for the pods of one namespace, under a name of its own. */
const manifestsFor = (namespace: string, home: string): readonly Manifest[] =>
  parseAllDocuments(
    readFileSync(POLICY, 'utf8')
      .replaceAll(`ame: ${SOFT_PINS_POLICY}`, `ame: ${home}`)
      .replace('operator: NotIn', 'operator: In')
      .replace('values: [kube-system]', `values: [${namespace}]`)
      .replace('selector: {}', `selector: {matchLabels: {bench: ${home}}}`),
  ).map((document) => document.toJS() as Manifest);

const pathOf = ({ kind, metadata }: Manifest): string =>
  `${ADMISSION}/mutatingadmissionpolic${kind.endsWith('Binding') ? 'ybindings' : 'ies'}/${metadata.name}`;

/** A namespace whose pods this many plans steer; the last of them moves its owners. */
const softSide = async (bed: Bed, name: Name, plans: number) => {
  const { client } = bed;
  const home = `bench-soft-${plans}`;
  const namespace = await bed.namespace(`pods-soft-${plans}`);
  const owners = await Promise.all(
    namesOf('owner', OWNERS).map((owner) => makeOwner(client, namespace, owner)),
  );
  for (let plan = 0; plan < plans; plan++) {
    const { owners: texts } = steeringOf(
      owners.flatMap(({ uid }) =>
        Array.from({ length: NODES }, (_, node) => ({
          nodeName: `bench-webhook-${String(node).padStart(5, '0')}`,
          nodeClaim: `claim-${plan}-${node}`,
          pin: {
            namespace: plan === plans - 1 ? namespace : `other-${plan}`,
            owner: { kind: 'ReplicaSet', name: 'owner', uid, count: SLOTS + node },
          },
        })),
      ),
      { reservationOf: (claim) => claim, taken: () => 0 },
    );
    const metadata = { name: `${home}-${plan}`, labels: { bench: home } };
    await client.create(SOFT_PINS, { metadata, spec: { owners: texts } });
  }
  const manifests = manifestsFor(namespace, home);
  for (const body of manifests) await client.request('PATCH', pathOf(body), { ...APPLY, body });
  const side: Side = {
    name,
    namespace,
    plugin: 'MutatingAdmissionPolicy',
    podOf: (pod, i) => podOf({ name: pod, namespace, owner: owners[i % OWNERS] as OwnerReference }),
  };
  await until(
    `${name}: a pod comes back steered`,
    async () => {
      const made = await client.create(PODS, side.podOf('probe', 0), { dryRun: true });
      return made.spec.affinity?.nodeAffinity !== undefined;
    },
    { timeoutMs: 60_000, everyMs: 200 },
  );
  const close = async (): Promise<void> => {
    for (const each of manifests.toReversed()) await client.request('DELETE', pathOf(each)).catch(() => {});
  };
  return { side, close };
};

const look = async (bed: Bed, { plugin }: Side): Promise<prometheus.Histogram> =>
  prometheus.histogramOf(await metricsPage(bed.client), DURATION, {
    name: plugin,
    operation: 'CREATE',
    type: 'admit',
  });

const rowsOf = (found: ReadonlyMap<Name, readonly Round[]>, rate: number): readonly Row[] => {
  const of = (name: Name, figure: (round: Round) => number): readonly number[] =>
    (found.get(name) ?? []).map(figure);
  const rowFor = (what: string, names: readonly Name[], figure: (round: Round) => number): readonly Row[] =>
    (['one plan', 'eight plans'] as const).map((soft) => ({
      what: `${what} at ${rate} creations a second, soft pins of ${soft}: ms`,
      ours: formatNumber(median(of(soft, figure))),
      peer: names.map((name) => `${formatNumber(median(of(name, figure)))} ${name}`).join(', '),
      ratio: formatRatio(pairedRatio(of(soft, figure), of('webhook', figure))),
      reach: '',
      isMet: undefined,
    }));
  const average = ({ admission }: Round): number => 1000 * prometheus.averageOf(admission);
  return [
    ...[0.5, 0.99].flatMap((q) =>
      rowFor(`a pod's creation, as its client sees it, p${100 * q}`, ['webhook', 'none'], ({ creations }) =>
        quantile(creations, q),
      ),
    ),
    ...rowFor('admission average by the API server', ['webhook'], average),
  ];
};

/** Rounds in turns: pods that nothing acts on, that the webhook pins, and that soft pins of one and of eight plans steer. */
export const softRows = async (
  scene: Scene,
  o: { readonly rate: number; readonly seconds: number; readonly rounds: number },
): Promise<readonly Row[]> => {
  const { bed, sides } = scene;
  const [none, , ours] = sides;
  await applySoftPinsKind(bed.client);
  await until(
    'the kind is served',
    () =>
      bed.client.list(SOFT_PINS).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 60_000, everyMs: 200 },
  );
  const one = await softSide(bed, 'one plan', 1);
  const eight = await softSide(bed, 'eight plans', 8);
  const all: readonly Side[] = [
    { ...none, name: 'none', plugin: 'MutatingAdmissionWebhook' },
    { ...ours, name: 'webhook', plugin: 'MutatingAdmissionWebhook' },
    one.side,
    eight.side,
  ];
  const found = new Map<Name, Round[]>(all.map(({ name }) => [name, []]));
  try {
    // The first round does not count.
    for (let at = 0; at <= o.rounds; at++) {
      for (const side of all) {
        const before = await look(bed, side);
        const creations: number[] = [];
        await paced(
          o.rate,
          o.seconds,
        )(async (i) => {
          const started = performance.now();
          await bed.client.create(PODS, side.podOf(`soft-${at}-${i}`, i));
          creations.push(performance.now() - started);
        });
        const admission = prometheus.since(await look(bed, side), before);
        await dropPods(bed.client, side.namespace);
        if (at > 0) found.get(side.name)?.push({ creations, admission });
      }
    }
  } finally {
    await one.close();
    await eight.close();
  }
  return rowsOf(found, o.rate);
};
