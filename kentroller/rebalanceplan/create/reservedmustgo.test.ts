import t from 'tap';
import type { MustGo } from '../../../api/kinds/mustgo.ts';
import type { NodeCost } from '../../../api/kinds/rebalanceplan.ts';
import * as make from '../../testing/builders.ts';
import { attempts, BLUE, describeStep, MOVE, SAVINGS } from '../../testing/decisions.ts';
import { decide } from '../decide.ts';

/** A node of a capacity reservation that must go: its limit is a part of what its machine costs outside of that. */

const RESERVED = 'm5.xlarge/us-west-2a/reserved';
const labels = { 'karpenter.sh/nodepool': 'general', ...make.machineLabels(RESERVED) };
const blue = {
  nodes: new Map([['blue', make.locked('blue', { labels })]]),
  nodeClaims: new Map([['blue', make.nodeClaim('blue', { labels })]]),
};
const planOf = (mustGo: MustGo | undefined) =>
  make.plan({
    nodeClaimsToAdd: [make.toAdd('green', [['m5.xlarge']])],
    nodeClaimsToDelete: [{ nodeClaimName: 'blue', ...(mustGo && { mustGo }) }],
  });
const offeringsAt = (onDemand: number) => make.offerings({ 'm5.xlarge/us-west-2a/on-demand': onDemand });
const kindsOf = (mustGo: MustGo | undefined, onDemand = 0.2) =>
  decide(
    make.executionState(planOf(mustGo), { ...BLUE, ...blue, offerings: offeringsAt(onDemand) }),
  ).steps.map(describeStep);

t.test('fault: no machine on demand could be ordered for a reserved node that must go', async (t) => {
  t.match(kindsOf({ reason: 'Expiry' }), [/^create-claim green/]);
  t.match(kindsOf(undefined), [/^fail Creation/], 'one that goes to save money is worth next to nothing');
  t.match(kindsOf({ reason: 'Expiry', maxPricePercent: 90 }), [/^fail Creation/]);
});

t.test('fault: a reserved node that had to go was replaced with a warning of its cost', async (t) => {
  const gone = (maxPricePercent?: number): NodeCost => ({
    name: 'node-blue',
    instanceType: 'm5.xlarge',
    isSpot: false,
    milliCPU: 4000,
    memoryMiB: 16_384,
    priceHourly: '0.00000002',
    zone: 'us-west-2a',
    capacityType: 'reserved',
    ...(maxPricePercent !== undefined && { maxPricePercent }),
  });
  const done = (blue: NodeCost) => {
    const placed = attempts({ status: 'Success', instanceType: 'm5.xlarge' });
    const plan = make.plan(
      { ...planOf({ reason: 'Expiry' }).spec, ...MOVE },
      { validatedSavings: { ...SAVINGS, blueNodes: [blue] }, ...placed },
      'NodesDeleted',
    );
    const green = make.nodeClaim('green', {
      labels: { 'karpenter.sh/nodepool': 'general', ...make.machineLabels('m5.xlarge/us-west-2a/on-demand') },
    });
    const { steps } = decide(
      make.executionState(plan, {
        nodeClaims: new Map([['green', green]]),
        nodes: new Map([['green', make.node('green')]]),
        pods: new Map([['green', [make.pod('web-2')]]]),
        offerings: offeringsAt(0.2),
      }),
    );
    return steps.map(describeStep);
  };
  t.same(done(gone(120)), ['finish Done']);
  t.match(done(gone(90)), ['warn']);
  t.match(done(gone()), ['warn']);
});
