import t from 'tap';
import { KARPENTER_DO_NOT_DISRUPT, KEEPS_ROOM } from '../../api/labels.ts';
import { NODES } from '../../api/resources.ts';
import { protectionBlockers } from '../../planner/cluster/candidate.ts';
import { makeNode } from '../../planner/testing/builders.ts';
import { readNode } from '../freshnode.ts';
import { nodesOnServer } from '../testing/nodesonserver.ts';
import { applyGuard, type GuardStep } from './roomguard.ts';

/**
 * A user's do-not-disrupt beside the guard of room, with the same value, on a real API server: only managedFields tell of it, and
 * caches have none.
 */

const { client, user, createNode } = nodesOnServer('sharedguard', process.env.KUBECONFIG);
const signal = new AbortController().signal;
const rules = { mode: {}, now: 0 } as unknown as Parameters<typeof protectionBlockers>[1];

const step = (kind: GuardStep['kind'], node: string): Promise<void> =>
  applyGuard({ client, signal }, { kind, node });
/** As `kubectl apply --server-side` does it. */
const applyAsUser = (name: string, annotations: Record<string, string>) =>
  user.apply(NODES, { metadata: { name, annotations } } as never, { fieldManager: 'a-user', signal });
const annotationsOf = async (name: string) => (await client.get(NODES, { name })).metadata.annotations ?? {};
/** What keeps a plan from the node, as a cache has it. */
const blockersOf = async (name: string): Promise<readonly string[]> => {
  const { metadata, ...node } = await client.get(NODES, { name });
  const { managedFields: _, ...cached } = metadata;
  const { claim } = makeNode(name);
  return protectionBlockers({ node: { ...node, metadata: cached }, claim, pods: [] }, rules).map(
    ({ message }) => message,
  );
};
const DND = { [KARPENTER_DO_NOT_DISRUPT]: 'true' };

t.test('a do-not-disrupt that a user applies beside a guard is heeded by plans after a look', async (t) => {
  const node = await createNode();
  await step('guard', node);
  t.same(await blockersOf(node), [], 'plans look past the guard');
  await applyAsUser(node, DND);
  await step('look', node);
  t.match(await blockersOf(node), [/do-not-disrupt/]);
  t.equal((await annotationsOf(node))[KEEPS_ROOM], undefined);
  await step('free', node);
  t.match(await annotationsOf(node), DND, 'and it stays');
});

t.test('a last look at such a node heeds it at once', async (t) => {
  const node = await createNode();
  await step('guard', node);
  await applyAsUser(node, DND);
  const read = await readNode({ client, signal }, node);
  t.equal(read?.metadata.annotations?.[KEEPS_ROOM], undefined);
  t.match(await blockersOf(node), [/do-not-disrupt/]);
});

t.test('a look at a guard that is nobody else’s writes nothing', async (t) => {
  const node = await createNode();
  await step('guard', node);
  await applyAsUser(node, { 'example.com/note': 'x' });
  const before = (await client.get(NODES, { name: node })).metadata.resourceVersion;
  await step('look', node);
  await readNode({ client, signal }, node);
  t.equal((await client.get(NODES, { name: node })).metadata.resourceVersion, before);
  t.same(await blockersOf(node), []);
});

t.test('a guard whose do-not-disrupt was taken off hides none that a user puts there later', async (t) => {
  const node = await createNode();
  const annotate = (value: string | null) =>
    user.patch(NODES, { name: node }, { metadata: { annotations: { [KARPENTER_DO_NOT_DISRUPT]: value } } });
  await step('guard', node);
  await annotate(null);
  await annotate('true');
  await step('look', node);
  t.match(await blockersOf(node), [/do-not-disrupt/]);
  const other = await createNode();
  await step('guard', other);
  await user.patch(
    NODES,
    { name: other },
    { metadata: { annotations: { [KARPENTER_DO_NOT_DISRUPT]: null } } },
  );
  await step('guard', other);
  t.match(
    await annotationsOf(other),
    { ...DND, [KEEPS_ROOM]: 'true' },
    'one that nobody put back comes back',
  );
});
