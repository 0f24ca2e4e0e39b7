import { Registry } from 'prom-client';
import t from 'tap';
import { KARPENTER_CAPACITY_TYPE, ZONE } from '../api/labels.ts';
import { UNAVAILABLE_OFFERINGS } from '../api/resources.ts';
import { scratch, soon } from '../kube/testing/scratch.ts';
import type { Catalogue } from '../planner/model/catalogue.ts';
import { makePod, makePool, makeSnapshot } from '../planner/testing/builders.ts';
import { machines, provisionFor } from '../planner/testing/smallworld.ts';
import { createCaches, startCaches } from './caches.ts';
import { withSpotPolicy } from './cloud/spotpolicy.ts';
import { policiesNow } from './policies/settings.ts';
import { noteUnavailable, unavailableName } from './rebalanceplan/create/unavailable.ts';

/** Interruption tolerance, by what kentroller has written of offerings on a real API server, on and off. */

const { client, log } = scratch(t, 'whichspot');
const stop = new AbortController();
/** A type that no other suite writes of. */
const TYPE = `m5.xlarge-${process.pid}`;
const HOUR = 3_600_000;
const spec = {
  instanceType: TYPE,
  zone: 'us-west-2a',
  capacityType: 'spot' as const,
  reason: 'SpotInterruptionObserved' as const,
};
const name = unavailableName(spec);

t.teardown(async () => {
  stop.abort();
  await client.delete(UNAVAILABLE_OFFERINGS, { name }).catch(() => {});
});

const catalogue: Catalogue = {
  instanceTypes: machines.instanceTypes
    .filter((type) => type.name === 'm5.xlarge')
    .map((type) => ({
      ...type,
      name: TYPE,
      labels: { ...type.labels, 'node.kubernetes.io/instance-type': TYPE },
      offerings: type.offerings.map((each) => ({
        ...each,
        capacityType: 'spot' as const,
        price: each.zone === 'us-west-2a' ? 0.05 : 0.06,
      })),
    })),
};
const pool = makePool('default', {
  requirements: [{ key: KARPENTER_CAPACITY_TYPE, operator: 'In', values: ['spot'] }],
});
const snapshot = makeSnapshot([], [makePod('p', { cpu: 3_500 })], { nodePools: [pool] });

t.test(
  'least interrupted passes over what was taken back, also after a restart, while it is on',
  async (t) => {
    const caches = createCaches({ client, log, metrics: new Registry() });
    await startCaches(caches, [], stop.signal);
    const zonesNow = (interruptionTolerance: string, enabled = true): readonly string[] | undefined => {
      const now = policiesNow({ object: undefined, absence: undefined, hasSynced: true }, {
        policies: { enabled, spotInstances: { enabled: true, interruptionTolerance } },
      } as Parameters<typeof policiesNow>[1]);
      const policy = now.known ? now.policies.spotInstances : undefined;
      const o = { nodes: [], now: Date.now(), scarce: new Set<string>() };
      const sold = withSpotPolicy(catalogue, policy, caches.unavailable.list(), o);
      const [claim] = provisionFor(snapshot, sold).plan?.spec.nodeClaimsToAdd ?? [];
      return claim?.spec.requirements.find(({ key }) => key === ZONE)?.values;
    };
    t.same(zonesNow('leastInterrupted'), ['us-west-2a'], 'nothing is known of it');
    // An hour ago it was taken back for half an hour: it may be bought again.
    await noteUnavailable(client, spec, undefined, Date.now() - HOUR, stop.signal, HOUR / 2);
    await soon('the cache shows the record', () => caches.unavailable.get(name)?.status?.attempts === 1);
    t.same(zonesNow('leastInterrupted'), ['us-west-2b']);
    t.same(zonesNow('costEfficient'), ['us-west-2a']);
    t.same(zonesNow('leastInterrupted', false), ['us-west-2a']);
  },
);
