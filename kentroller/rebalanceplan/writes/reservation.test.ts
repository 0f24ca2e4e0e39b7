import t from 'tap';
import * as labels from '../../../api/labels.ts';
import type { Node } from '../../../api/objects.ts';
import { reservationOf } from '../../../api/reservation.ts';
import { NODES } from '../../../api/resources.ts';
import * as make from '../../testing/builders.ts';
import { nodesOnServer } from '../../testing/nodesonserver.ts';

/** Taint and cordon of a reserved node in each other's place, on a real API server. */

const nodes = nodesOnServer('reservation', process.env.KUBECONFIG);
const { client, user, take } = nodes;

const RESERVED = reservationOf('green');

const createNode = (spec: Node['spec'] = { taints: [RESERVED] }): Promise<string> =>
  nodes.createNode({ ...(spec && { spec }) });

const looksOf = async (name: string) => {
  const { metadata, spec } = await client.get(NODES, { name });
  const keys = (spec?.taints ?? []).map(({ key }) => key);
  return {
    isTainted: keys.includes(labels.PREPARING_TAINT),
    isCordoned: spec?.unschedulable ?? false,
    others: keys.filter((key) => key === 'team'),
    marks: Object.keys(metadata.annotations ?? {}).filter((key) => key.includes('cast.ai')).length,
    until: metadata.annotations?.[labels.DAEMONSETS_UNTIL],
  };
};

const why = { reason: 'r', message: 'm' };
const UNTIL = '2026-11-29T12:00:30.000Z';
const CORDON = { kind: 'reserve', by: 'cordon', ...why };
const TAINT = { kind: 'reserve', by: 'taint', ...why };
const RELEASE = { kind: 'release', claim: 'no-such-claim', keeps: false, ...why };
const patch = (name: string, body: object) => user.patch(NODES, { name }, body);

const CLOSED = { isTainted: true, isCordoned: false, others: [], marks: 0, until: undefined };
const OPEN = { ...CLOSED, isTainted: false };

t.test('fault 4: a cordon comes in place of the taint, and the taint in place of the cordon', async (t) => {
  const node = await createNode();
  await take(node, [CORDON, CORDON]);
  t.match(await looksOf(node), { isTainted: false, isCordoned: true, marks: 3 });
  const { spec } = await client.get(NODES, { name: node });
  t.ok(
    spec?.taints?.some(({ key }) => key === labels.UNSCHEDULABLE),
    "Kubernetes' taint comes in the same write",
  );
  await take(node, [TAINT, TAINT]);
  t.match(await looksOf(node), CLOSED);
  // Kubernetes adds a taint of its own to a node that no kubelet speaks for, sooner or later.
  const { taints = [] } = (await client.get(NODES, { name: node })).spec ?? {};
  t.match(
    taints.filter(({ key }) => key === labels.PREPARING_TAINT),
    [RESERVED],
    'for the same pods as before',
  );
  await take(node, [{ ...CORDON, until: UNTIL }]);
  t.match(await looksOf(node), { isCordoned: true, until: UNTIL });
  await take(node, [{ ...TAINT, until: UNTIL }]);
  t.match(await looksOf(node), { ...CLOSED, marks: 1, until: UNTIL });
  await take(node, [RELEASE]);
  t.match(await looksOf(node), OPEN);
});

t.test('fault 4: a release lifts taint and cordon, and other taints stay', async (t) => {
  const team = { key: 'team', value: 'a', effect: 'NoSchedule' } as const;
  const node = await createNode({ taints: [team, RESERVED] });
  await take(node, [CORDON, RELEASE, RELEASE]);
  t.match(await looksOf(node), { ...OPEN, others: ['team'] });
});

const USER: readonly (readonly [string, Node['spec'], (name: string) => Promise<unknown>])[] = [
  ['from before', { unschedulable: true, taints: [RESERVED] }, (name) => take(name, [CORDON])],
  [
    'between two of ours',
    { taints: [RESERVED] },
    async (name) => {
      await take(name, [CORDON, TAINT]);
      await patch(name, { spec: { unschedulable: true } });
      await take(name, [CORDON]);
    },
  ],
  [
    'in the place of ours',
    { taints: [RESERVED] },
    async (name) => {
      await take(name, [CORDON]);
      await patch(name, { spec: { unschedulable: false } });
      await patch(name, { spec: { unschedulable: true } });
    },
  ],
];
for (const [when, spec, act] of USER) {
  t.test(`fault 4: a user's cordon ${when} stays`, async (t) => {
    for (const end of [[RELEASE], [TAINT], [TAINT, RELEASE]]) {
      const node = await createNode(spec);
      await act(node);
      await take(node, end);
      t.match(await looksOf(node), { isCordoned: true, marks: 0 });
    }
  });
}

t.test('fault 4: a node that a user or a release has opened stays open', async (t) => {
  const uncordoned = await createNode();
  await take(uncordoned, [CORDON]);
  await patch(uncordoned, { spec: { unschedulable: false } });
  await take(uncordoned, [TAINT]);
  t.match(await looksOf(uncordoned), OPEN);
  const released = await createNode({});
  await take(released, [CORDON, TAINT]);
  t.match(await looksOf(released), OPEN);
});

t.test("fault 4: another plan's cordon is neither changed nor lifted", async (t) => {
  const node = await createNode();
  const other = { ...make.plan(), metadata: { ...make.plan().metadata, uid: 'other-uid' } };
  await take(node, [CORDON], other);
  await take(node, [CORDON, TAINT, RELEASE]);
  t.match(await looksOf(node), { isCordoned: true, isTainted: false, marks: 3 });
});
