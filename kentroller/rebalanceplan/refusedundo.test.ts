import t from 'tap';
import { CORDONED_BY, IN_USE_BY, KARPENTER_DO_NOT_DISRUPT, LOCKED_BY } from '../../api/labels.ts';
import { NODE_CLAIMS, NODES, REBALANCE_PLANS } from '../../api/resources.ts';
import { KubeError, type KubeErrorInit } from '../../kube/errors.ts';
import type { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { CORDONED, DELETE } from '../testing/decisions.ts';
import { passes, planScene } from '../testing/planscene.ts';
import { Process } from '../testing/process.ts';

/** Rollbacks that the API server refuses midway. */

/** A cluster in which the rollback of a plan is due that has locked and cordoned node-blue. */
const scene = (): MemoryApi => {
  const failure = { failurePhase: 'Deletion', failureReason: 'x', failureMessage: 'it failed' } as const;
  return planScene(make.plan(DELETE, failure, 'PinsReady'), CORDONED, [CORDONED_BY, LOCKED_BY]);
};

const ERRORS: readonly (readonly [string, KubeErrorInit])[] = [
  ['422', { kind: 'terminal', status: 422 }],
  ['409', { kind: 'conflict', status: 409 }],
  ['403', { kind: 'forbidden', status: 403 }],
  ['500', { kind: 'retryable', status: 500 }],
];
for (const [name, init] of ERRORS) {
  t.test(`a rollback that meets ${name} goes on later, and leaves nothing`, async (t) => {
    const api = scene();
    let refusals = 12;
    const process = new Process(
      api,
      () => make.NOW,
      ({ verb, resource }) => {
        if (verb === 'patch' && resource.kind === 'Node' && refusals-- > 0)
          throw new KubeError('refused by a policy', init);
      },
    );
    await passes(process, { plans: ['plan'], claims: ['blue'], times: 40 });
    const node = api.get(NODES, { name: 'node-blue' });
    t.notOk(node.spec?.unschedulable, 'open to pods');
    for (const key of [CORDONED_BY, LOCKED_BY, KARPENTER_DO_NOT_DISRUPT])
      t.equal(node.metadata.annotations?.[key], undefined, key);
    t.equal(api.get(NODE_CLAIMS, { name: 'blue' }).metadata.annotations?.[IN_USE_BY], undefined);
    const { status, metadata } = api.get(REBALANCE_PLANS, { name: 'plan' });
    t.equal(status?.state, 'Failed');
    t.same(metadata.finalizers ?? [], []);
    const told = status?.conditions?.find(({ type }) => type === 'WritesAccepted');
    if (init.kind === 'terminal' || init.kind === 'forbidden')
      t.match(told, { status: 'True' }, 'the refusal was told, and its end');
    else t.equal(told, undefined);
  });
}
