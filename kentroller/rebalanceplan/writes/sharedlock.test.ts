import t from 'tap';
import { KARPENTER_DO_NOT_DISRUPT, KEEPS_ROOM, LOCK_KEEPS } from '../../../api/labels.ts';
import { NODES } from '../../../api/resources.ts';
import { applyGuard } from '../../capacitybuffers/roomguard.ts';
import { readNode } from '../../freshnode.ts';
import * as make from '../../testing/builders.ts';
import { nodesOnServer } from '../../testing/nodesonserver.ts';
import { blockersOf } from '../drain/protection.ts';

/** A do-not-disrupt that a user applies beside a plan's lock, with the same value, on a real API server. */

const { client, user, createNode, take } = nodesOnServer('sharedlock', process.env.KUBECONFIG);
const signal = new AbortController().signal;
const why = { reason: 'r', message: 'm' };
const LOCK = { kind: 'lock', ...why };
const CORDON = { kind: 'cordon', ...why };
const UNCORDON = { kind: 'uncordon', drainFailed: false, ...why };
const UNLOCK = { kind: 'unlock', ...why };
const DND = { [KARPENTER_DO_NOT_DISRUPT]: 'true' };

const applyAsUser = (name: string) =>
  user.apply(NODES, { metadata: { name, annotations: DND } } as never, { fieldManager: 'a-user', signal });
const found = (name: string) => client.get(NODES, { name });
/** What keeps the plan from emptying the node, as a cache has it. */
const blockers = async (name: string): Promise<readonly string[]> => {
  const { metadata, ...node } = await found(name);
  const { managedFields: _, ...cached } = metadata;
  const state = make.executionState(make.plan());
  return blockersOf(state, { node: { ...node, metadata: cached }, claim: make.nodeClaim('blue'), pods: [] });
};

t.test('it keeps the node from being drained, and stays when the plan is done', async (t) => {
  const node = await createNode();
  await take(node, [LOCK]);
  t.same(await blockers(node), [], "a lock of the plan's own keeps nothing");
  await applyAsUser(node);
  await take(node, [CORDON]);
  const { spec, metadata } = await found(node);
  t.not(spec?.unschedulable, true, 'the node is not cordoned');
  t.equal(metadata.annotations?.[LOCK_KEEPS], 'true');
  t.match(await blockers(node), [/do-not-disrupt/]);
  await take(node, [UNCORDON, UNLOCK]);
  const after = await found(node);
  t.match(after.metadata.annotations, DND);
  t.equal(after.metadata.annotations?.[LOCK_KEEPS], undefined);
});

t.test('it keeps a node that is drained already from being deleted', async (t) => {
  const node = await createNode();
  await take(node, [LOCK, CORDON]);
  await applyAsUser(node);
  await readNode({ client, signal }, node);
  t.match(await blockers(node), [/do-not-disrupt/]);
});

t.test('a lock on a node with room does not hide it', async (t) => {
  const node = await createNode();
  await applyGuard({ client, signal }, { kind: 'guard', node });
  await applyAsUser(node);
  await take(node, [LOCK]);
  t.equal((await found(node)).metadata.annotations?.[KEEPS_ROOM], undefined);
  t.match(await blockers(node), [/do-not-disrupt/]);
});

t.test(
  'a lock on a node with room and no word of a user is looked past, and gives the room back',
  async (t) => {
    const node = await createNode();
    await applyGuard({ client, signal }, { kind: 'guard', node });
    await take(node, [LOCK, CORDON]);
    t.same(await blockers(node), []);
    await take(node, [UNCORDON, UNLOCK]);
    t.match((await found(node)).metadata.annotations, { ...DND, [KEEPS_ROOM]: 'true' });
  },
);
