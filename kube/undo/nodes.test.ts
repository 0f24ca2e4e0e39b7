import t from 'tap';
import * as labels from '../../api/labels.ts';
import { claim, green, greenNode, plan, pod } from '../testing/marked.ts';
import { fateOf, nodeSteps } from './nodes.ts';

/** What becomes of machines that plans ordered, with and without the plan. */

const RUNNING = pod({}, { nodeName: 'n' });
const DAEMON = pod(
  { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'd', controller: true }] },
  { nodeName: 'n' },
);
const OPENED = { ...greenNode(), spec: { providerID: 'id' } };
type Facts = Parameters<typeof fateOf>[0];
const facts = (o: Partial<Facts>): Facts => ({
  node: greenNode(),
  claim: green(),
  pods: [],
  plan: plan('Running'),
  phase: 'Creation',
  ...o,
});

const CASES: readonly (readonly [string, Partial<Facts>, ReturnType<typeof fateOf>])[] = [
  ['a machine of a plan in Creation that runs a pod is kept', { pods: [RUNNING] }, 'release'],
  ['one that runs only pods of DaemonSets is given up', { pods: [DAEMON] }, 'withdraw'],
  ['one that has not joined is given up', { node: greenNode(false), pods: [RUNNING] }, 'withdraw'],
  ['an empty one of a plan in Deletion is kept', { phase: 'Deletion' }, 'release'],
  ['without its plan, an empty one that is still reserved is given up', { plan: undefined }, 'withdraw'],
  ['without its plan, an empty one that was opened is kept', { plan: undefined, node: OPENED }, 'release'],
  ['without its plan, one that runs a pod is kept', { plan: undefined, pods: [RUNNING] }, 'release'],
  ['a NodeClaim that no plan ordered is none of ours', { claim: claim(), plan: undefined }, 'strip'],
];

for (const [sentence, given, expected] of CASES) {
  t.test(sentence, async (t) => t.equal(fateOf(facts(given)), expected));
}

t.test('a Node whose write was lost after its NodeClaim was opened is opened as well', async (t) => {
  const view = { node: greenNode(), claim: claim(), pods: [RUNNING], plan: undefined, phase: undefined };
  const guardAfter = (isKeptGuarded: boolean): unknown => {
    const [step] = nodeSteps({ ...view, isKeptGuarded });
    if (step?.kind !== 'patch') return 'no patch';
    const { metadata } = step.body as { readonly metadata: { readonly annotations: object } };
    return (metadata.annotations as Readonly<Record<string, unknown>>)[labels.KARPENTER_DO_NOT_DISRUPT];
  };
  t.equal(guardAfter(false), null, 'do-not-disrupt is taken off');
  t.equal(guardAfter(true), undefined, 'but not where the NodePool wants it');
});
