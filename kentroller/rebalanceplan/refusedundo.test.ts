import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { CORDONED_BY, IN_USE_BY, KARPENTER_DO_NOT_DISRUPT, LOCKED_BY } from '../../api/labels.ts';
import * as resources from '../../api/resources.ts';
import { KubeError, type KubeErrorInit } from '../../kube/errors.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import * as make from '../testing/builders.ts';
import { CORDONED, DELETE } from '../testing/decisions.ts';
import { Process } from '../testing/process.ts';

/** Rollbacks that the API server refuses midway. */

const { NODES, NODE_CLAIMS, REBALANCE_PLANS } = resources;

/** A cluster in which the rollback of a plan is due that has locked and cordoned node-blue. */
const scene = (): { api: MemoryApi; mark: string } => {
  const api = new MemoryApi({ now: () => make.NOW });
  const { metadata, spec, status } = make.plan(
    DELETE,
    { failurePhase: 'Deletion', failureReason: 'x', failureMessage: 'it failed' },
    'PinsReady',
  );
  const { uid = '' } = api.create(REBALANCE_PLANS, { metadata, spec }).metadata;
  api.edit(REBALANCE_PLANS, { name: 'plan' }, (plan) => ({ ...plan, ...(status && { status }) }));
  const mark = `plan/${uid}`;
  const claim = make.nodeClaim('blue', { annotations: { [IN_USE_BY]: mark } });
  api.create(NODE_CLAIMS, claim);
  api.edit(NODE_CLAIMS, { name: 'blue' }, (found) => ({
    ...found,
    ...(claim.status && { status: claim.status }),
  }));
  const annotations = { ...CORDONED.metadata.annotations, [CORDONED_BY]: mark, [LOCKED_BY]: mark };
  api.create(NODES, { ...CORDONED, metadata: { ...CORDONED.metadata, annotations } });
  return { api, mark };
};

const ERRORS: readonly (readonly [string, KubeErrorInit])[] = [
  ['422', { kind: 'terminal', status: 422 }],
  ['409', { kind: 'conflict', status: 409 }],
  ['403', { kind: 'forbidden', status: 403 }],
  ['500', { kind: 'retryable', status: 500 }],
];
for (const [name, init] of ERRORS) {
  t.test(`a rollback that meets ${name} goes on later, and leaves nothing`, async (t) => {
    const { api } = scene();
    let refusals = 12;
    const process = new Process(
      api,
      () => make.NOW,
      ({ verb, resource }) => {
        if (verb === 'patch' && resource.kind === 'Node' && refusals-- > 0)
          throw new KubeError('refused by a policy', init);
      },
    );
    for (let pass = 0; pass < 40; pass += 1) {
      for (const begin of process.reconciles(['plan'], ['blue'])) begin();
      await setImmediate();
      while (process.requests.length > 0) {
        process.requests.shift()?.();
        await setImmediate();
      }
      for (let each = process.deliveries(); each.length > 0; each = process.deliveries()) each[0]?.();
    }
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
