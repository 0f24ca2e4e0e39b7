import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { isFinished } from '../api/plans.ts';
import { REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS, type Resource } from '../api/resources.ts';
import type { KubeClient } from '../kube/client/client.ts';
import { ignoreNotFound } from '../kube/ignore.ts';
import { until } from '../kube/testing/until.ts';
import { loadPrices } from './demo/prices.ts';
import { diceFrom } from './differential/dice.ts';
import { auditLogOf } from './ground/controlplane/audit.ts';
import { attach } from './ground/ground.ts';
import { aftermath } from './hostile/aftermath.ts';
import { readAudit, sizeOf } from './hostile/auditlog.ts';
import { createUserMarks } from './hostile/marks.ts';
import { giveIn, leave, tidyNodes } from './hostile/peace.ts';
import type { Scene } from './hostile/scene.ts';
import { judge } from './hostile/trail.ts';
import { act } from './hostile/user.ts';
import { watchAll } from './hostile/watch.ts';
import { claimRebalance, ENDS, planOf } from './support/claim.ts';
import { orderMachine } from './support/fleet.ts';
import { onStage } from './support/stage.ts';

const isSoak = process.env.SOAK === '1';
const seed = Number(process.env.SEED ?? (isSoak ? Date.now() % 1_000_000_000 : 3));
/** How long the user is at work, and how long one round of it lasts. */
const WORK_MS = Number(process.env.MINUTES ?? (isSoak ? 30 : 0.75)) * 60_000;
const ROUND_MS = 45_000;
const HEAD_START_MS = 15_000;
/** A plan waits two minutes for pods that don't come where it put them. */
const PLANS_END_MS = 240_000;
const QUIET_MS = 120_000;
const NAME = 'hostile';
const APPS = ['app-1', 'app-2', 'app-3'];

/** Waits until every claim and every plan that was started has ended, and takes them away. */
const endAll = async (client: KubeClient): Promise<void> => {
  await until(
    'all plans have ended',
    async () => {
      const claims = (await client.list(REBALANCE_PLAN_CLAIMS)).items;
      const plans = (await client.list(REBALANCE_PLANS)).items;
      const hasEnded = plans.every((plan) => isFinished(plan) || plan.spec.execute !== true);
      return (
        hasEnded &&
        claims.every(({ spec, status }) => !spec.autoExecute || ENDS.includes(status?.state ?? ''))
      );
    },
    { timeoutMs: PLANS_END_MS, everyMs: 1_000 },
  );
};

const log = auditLogOf(attach(process.env.GROUND_NAME ?? ''));

t.test(
  'a user who changes anything while plans run loses no pod and finds nothing of ours afterwards',
  { skip: existsSync(log) ? false : 'this ground writes no audit log' },
  (t) => {
    const since = sizeOf(log);
    return onStage(t, { name: NAME, machines: 3 }, async ({ client, pool }) => {
      t.comment(`seed ${seed}; SEED=${seed} repeats the user's choices`);
      const dice = diceFrom(seed);
      const scene: Scene = { client, name: NAME, apps: APPS, dice, marks: createUserMarks() };
      const watching = watchAll(client);
      const began = Date.now();
      const told: string[] = [];
      const tell = (line: string): void => {
        told.push(`${((Date.now() - began) / 1000).toFixed(1)} s: ${line}`);
        if (line.startsWith('kills')) watching.disturbed();
      };
      let left: readonly string[] = [];
      try {
        for (let round = 1; Date.now() - began < WORK_MS; round++) {
          const name = `${NAME}-${round}`;
          if (round > 1) {
            await until('the user has tidied up', () => tidyNodes(scene), { timeoutMs: 30_000 });
            const instanceType = dice.pick(['m5.xlarge', 'm5.2xlarge']);
            await orderMachine(client, pool, { name: `waste-${round}`, instanceType, zone: 'us-west-2a' });
          }
          const autoExecute = dice.chance(0.8);
          await claimRebalance(client, { name, pool: NAME, spec: { autoExecute } });
          tell(`makes claim ${name}${autoExecute ? '' : ', not to be executed yet'}`);
          // Sometimes early, sometimes late in the plan.
          await planOf(client, name).catch(() => tell('no plan was made'));
          await delay(dice.below(HEAD_START_MS));
          for (const until = Date.now() + ROUND_MS; Date.now() < until; ) {
            await delay(500 + dice.below(2_500));
            const line = await act(scene);
            if (line) tell(line);
          }
          await giveIn(scene);
          tell('gives in');
          await endAll(client);
          left = [];
          await until(
            'nothing of ours is left, and all pods run',
            async () => {
              left = await aftermath({ client, name: NAME, marks: scene.marks, watching });
              return left.length === 0;
            },
            { timeoutMs: QUIET_MS, everyMs: 2_000 },
          ).catch(() => undefined);
          if (left.length > 0 || watching.violations.length > 0) break;
          for (const resource of [REBALANCE_PLAN_CLAIMS, REBALANCE_PLANS] as readonly Resource[]) {
            for (const { metadata } of (await client.list(resource)).items) {
              await client.delete(resource, { name: metadata.name }).catch(ignoreNotFound);
            }
          }
        }
      } finally {
        await watching.stop();
        await leave(scene);
        for (const line of told) t.comment(line);
        for (const { metadata, status } of watching.plans.values()) {
          t.comment(
            `plan ${metadata.name}: ${status?.state} ${status?.failureReason ?? ''} ${status?.failureMessage ?? ''}`,
          );
        }
      }
      t.strictSame(
        left,
        [],
        'nothing of ours is left, all pods run, and what the user put on nodes is there',
      );
      t.strictSame(watching.violations, [], 'no placeholder outlived its NodeClaim');
      t.strictSame(watching.dearer(await loadPrices()), [], 'no plan that is Done made anything dearer');
      const trail = judge(readAudit(log, since), NAME);
      t.comment(`in the audit log, ${trail.placed} pods placed and ${trail.evictions} evicted by us`);
      t.strictSame(trail.violations, [], 'nothing that must never happen is in the audit log');
    });
  },
);
