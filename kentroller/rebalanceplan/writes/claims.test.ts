import t from 'tap';
import { PLAN } from '../../../api/labels.ts';
import type { NodeClaim } from '../../../api/objects.ts';
import type { KubeClient } from '../../../kube/client/client.ts';
import { KubeError } from '../../../kube/errors.ts';
import * as make from '../../testing/builders.ts';
import { ADD, attempts } from '../../testing/decisions.ts';
import { apply } from '../apply.ts';
import { decide } from '../decide.ts';
import type { Writer } from './writer.ts';

/** NodeClaims of a plan whose name is taken. */

const plan = make.plan(ADD);
const [ORDER] = decide(make.executionState(plan)).steps;

const statusAfter = async (existing: NodeClaim) => {
  const client = {
    create: async () => {
      throw new KubeError('it exists', { kind: 'already-exists', status: 409 });
    },
    get: async () => existing,
  } as unknown as KubeClient;
  const writer = { client, signal: new AbortController().signal } as unknown as Writer;
  if (ORDER?.kind !== 'create-claim') throw new Error('the plan orders nothing');
  const change = await apply(writer, make.executionState(plan), ORDER);
  return typeof change === 'function' ? change({}).nodesCreation?.green?.attempts : undefined;
};

t.test('a NodeClaim that the plan created before a crash is its own', async (t) => {
  const existing = make.nodeClaim('green', { annotations: make.reservedBy(make.MARK) });
  t.match(await statusAfter(existing), [{ nodeClaimName: 'green', status: 'InProgress' }]);
});

t.test(
  'a production node is never taken for one of the plan, though it has its name and label',
  async (t) => {
    const existing = make.nodeClaim('green', {
      labels: { [PLAN]: 'plan' },
      annotations: make.reservedBy('plan/earlier-uid'),
    });
    t.match(await statusAfter(existing), [
      { nodeClaimName: 'green', status: 'Failed', description: /did not create it/ },
    ]);
    const next = decide(
      make.executionState(make.plan(ADD, attempts({ status: 'Failed' })), {
        nodeClaims: new Map([['green', existing]]),
      }),
    );
    t.match(next.steps, [{ kind: 'create-claim', attempt: { claimName: 'green-attempt-2' } }]);
  },
);
