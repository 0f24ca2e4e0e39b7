import t from 'tap';
import { NODE_CLAIMS, NODES } from '../../../api/resources.ts';
import { MemoryApi } from '../../../kube/testing/memory/api.ts';
import { memoryClient } from '../../../kube/testing/memory/client.ts';
import * as make from '../../testing/builders.ts';
import { IN_USE_BY } from '../state/labels.ts';
import { freeNode, takeNodes } from './nodeuse.ts';
import type { Writer } from './writer.ts';

/** Which plan has a NodeClaim, or a node that Karpenter does not own, to itself: the API server decides. */

const world = () => {
  const api = new MemoryApi({ now: () => make.NOW });
  api.create(NODE_CLAIMS, make.nodeClaim('blue'));
  api.create(NODES, { metadata: { name: 'managed' } });
  const client = memoryClient(api, async (_call, serve) => serve());
  const writer = { client, signal: new AbortController().signal } as unknown as Writer;
  const userOf = () => api.find(NODES, { name: 'managed' })?.metadata.annotations?.[IN_USE_BY];
  const claimUser = () => api.find(NODE_CLAIMS, { name: 'blue' })?.metadata.annotations?.[IN_USE_BY];
  return { api, writer, userOf, claimUser };
};
const named = (name: string) => {
  const plan = make.plan({});
  return { ...plan, metadata: { ...plan.metadata, name, uid: `${name}-uid` } };
};
const PLACES = ['blue', 'node/managed'];

t.test('of two plans that fill a node of others, one gets it, and the other keeps nothing', async (t) => {
  const { writer, userOf, claimUser } = world();
  const [first, second] = [named('first'), named('second')];
  t.equal(await takeNodes(writer, first, ['node/managed']), true);
  t.match(userOf(), /^first\//);
  t.equal(await takeNodes(writer, second, PLACES), false);
  t.match(userOf(), /^first\//);
  t.equal(claimUser(), undefined, 'what it got is given back');
  await freeNode(writer, second, 'node/managed');
  t.match(userOf(), /^first\//, 'nobody frees what another plan has');
  await freeNode(writer, first, 'node/managed');
  t.equal(userOf(), undefined);
  t.equal(await takeNodes(writer, second, PLACES), true);
});

t.test('a node that is gone is nobody’s', async (t) => {
  const { api, writer } = world();
  api.delete(NODES, { name: 'managed' });
  t.equal(await takeNodes(writer, named('first'), PLACES), true);
});
