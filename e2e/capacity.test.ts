import t from 'tap';
import {
  NODE_CLAIMS,
  REBALANCE_PLAN_CLAIMS,
  REBALANCE_PLANS,
  UNAVAILABLE_OFFERINGS,
} from '../api/resources.ts';
import { until } from '../kube/testing/until.ts';
import { claimEnded, claimRebalance, ENDS, planOf } from './support/claim.ts';
import { controlOf } from './support/components.ts';
import { outcomeOf } from './support/outcome.ts';
import { onStage } from './support/stage.ts';
import { witness } from './support/witness.ts';
import { podsRunning } from './support/workload.ts';

t.test('capacity that the cloud has not got is recorded, and the second attempt succeeds', (t) =>
  onStage(t, { name: 'capacity', machines: 3 }, async ({ client, ground, name }) => {
    const seen = await witness(client, name);
    const control = controlOf(ground);
    t.teardown(async () => {
      seen.stop();
      await control.clearFaults();
      await control.setZonalShifts({});
    });
    // Read from ARC while the plan below runs, and looked for after it.
    await control.setZonalShifts({
      shifts: [{ zoneId: 'usw2-az3', expiresAt: Date.now() + 3_600_000 }],
    });
    await claimRebalance(client, { name, pool: name, spec: { autoExecute: false } });
    const proposed = await planOf(client, name);
    const add = proposed.spec.nodeClaimsToAdd?.[0];
    const types = add?.alternatives?.[0]?.requirements.find(
      (r) => r.key === 'node.kubernetes.io/instance-type',
    )?.values;
    t.ok(add && types && types.length > 0, 'the plan names the types of its first choice');
    await control.setFaults({ capacity: (types ?? []).map((instanceType) => ({ instanceType })) });
    await client.patch(REBALANCE_PLANS, { name: proposed.metadata.name }, { spec: { execute: true } });
    const claim = await claimEnded(client, name, 240_000);
    t.equal(claim.status?.state, 'Completed', claim.status?.errorMessage ?? 'the claim completed');
    const plan = await planOf(client, name);
    const attempts = plan.status?.nodesCreation?.[add?.metadata.name ?? '']?.attempts ?? [];
    t.equal(attempts[0]?.status, 'Failed');
    t.match(attempts[0]?.description, /InsufficientCapacity/);
    t.match(attempts[1], { status: 'Success', nodeClaimName: `${add?.metadata.name}-attempt-2` });
    const offerings = await client.list(UNAVAILABLE_OFFERINGS);
    t.ok(
      offerings.items.some((o) => (types ?? []).includes(o.spec.instanceType)),
      'what the cloud could not give is remembered',
    );
    const pods = await podsRunning(client, name, 12, 60_000);
    const claims = await client.list(NODE_CLAIMS);
    t.strictSame(
      outcomeOf(plan, pods, claims.items).missing,
      [],
      'pods run where the plan put them all the same',
    );
    t.strictSame([...seen.failed], [], 'no pod was in phase Failed at any time');

    let asked = 0;
    await until(
      'a claim tells of the zone that is shifted away',
      async () => {
        const later = `${name}-shifted-${++asked}`;
        await claimRebalance(client, { name: later, pool: name, spec: { autoExecute: false } });
        const said = await until(
          `claim ${later} has an answer`,
          async () => {
            const { status } = await client.get(REBALANCE_PLAN_CLAIMS, { name: later });
            if (!['Ready', ...ENDS].includes(status?.state ?? '')) throw new Error(`it is ${status?.state}`);
            return status?.conditions?.map(({ message }) => message).join(' ') ?? '';
          },
          { timeoutMs: 120_000, everyMs: 500 },
        );
        if (!/us-west-2c \(usw2-az3\) is shifted away until/.test(said)) throw new Error(said);
        return true;
      },
      { timeoutMs: 180_000, everyMs: 5_000 },
    );
  }),
);
