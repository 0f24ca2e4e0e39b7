import { KARPENTER_DO_NOT_DISRUPT, PLAN } from '../../../api/labels.ts';
import { sweep } from '../create/decide.ts';
import { unlocks } from '../create/nodelock.ts';
import { givenUp, uncordons } from '../drain/decide.ts';
import { withdrawals } from '../drain/livemigration.ts';
import { unsurges } from '../drain/surge.ts';
import type { World } from '../state/state.ts';
import { type Decision, type Step, steps } from '../state/step.ts';
import { releases } from './decide.ts';

const made = (world: World): readonly string[] =>
  [...world.nodeClaims.values()]
    .filter((c) => c.metadata.labels?.[PLAN] === world.plan.metadata.name)
    .filter((c) => c.metadata.annotations?.[KARPENTER_DO_NOT_DISRUPT] !== undefined)
    .map((c) => c.metadata.name);

/** Puts back what a failed plan changed: what it made in Creation, what it closed in Deletion. */
export const rollBack = (world: World): Decision => {
  const { failurePhase, failureReason, failureMessage } = world.plan.status ?? {};
  const back =
    failurePhase === 'Creation'
      ? [...unlocks(world), ...sweep(world, made(world))]
      : [
          ...withdrawals(world),
          ...unsurges(world),
          ...givenUp(world),
          ...uncordons(world),
          ...releases(world),
          ...unlocks(world),
        ];
  if (back.length > 0) return steps(...back);
  if (failurePhase === 'Creation' && made(world).length > 0) return steps();
  const finish: Step = {
    kind: 'finish',
    state: failureReason === 'Canceled' ? 'Canceled' : 'Failed',
    reason: failureReason ?? 'Failed',
    message: failureMessage ?? 'The plan failed.',
  };
  return steps(finish);
};
