import t from 'tap';
import type { RebalancePlan } from '../../api/kinds/rebalanceplan.ts';
import * as make from '../testing/builders.ts';
import { ADD, BLUE, DELETE, describeStep, MOVE } from '../testing/decisions.ts';
import { apply } from './apply.ts';
import { decide } from './decide.ts';
import { SpecHashes, specHashOf } from './state/spechash.ts';
import type { Writer } from './writes/writer.ts';

/** What is executed is what was shown: a plan's spec is frozen from the moment when it was first seen. */

const SHOWN = { ...DELETE, ...ADD };
const CHANGED = { ...SHOWN, nodeClaimsToDelete: [{ nodeClaimName: 'blue' }, { nodeClaimName: 'payments' }] };
const specHash = specHashOf(make.plan(SHOWN).spec);

const stepsOf = (plan: RebalancePlan): readonly string[] =>
  decide(make.executionState(plan, BLUE)).steps.map(describeStep);
const pending = (spec: object): RebalancePlan => ({ ...make.plan(spec), status: { specHash } });

t.test('a plan that was changed between being shown and being executed is refused', async (t) => {
  const [step, ...others] = decide(make.executionState(pending(CHANGED), BLUE)).steps;
  t.match(step, { kind: 'fail', phase: 'Creation', failureReason: 'FailureReasonPlanChanged' });
  t.match(step?.message, /spec.*status\.specHash.*make a new plan/);
  t.same(others, []);
});

for (const [name, change] of Object.entries({
  'aggressiveMode that ignores PodDisruptionBudgets': { aggressiveMode: { ignoreBlockingPDB: true } },
  'another pod to move': MOVE,
  'another threshold': { executionPolicy: { achievedSavingsPercentageThreshold: '0' } },
  'another timeout': { timeouts: { rebalanceExecutionTimeout: '9h' } },
})) {
  t.test(`${name} is such a change`, async (t) => {
    t.same(stepsOf(pending({ ...SHOWN, ...change })), ['fail Creation FailureReasonPlanChanged']);
  });
}

t.test('execute alone is no change, nor is the order of fields', async (t) => {
  const [toDelete, toAdd] = [SHOWN.nodeClaimsToDelete, SHOWN.nodeClaimsToAdd];
  t.equal(specHashOf({ nodeClaimsToAdd: toAdd, nodeClaimsToDelete: toDelete, execute: false }), specHash);
  t.notSame(stepsOf(pending(SHOWN)), ['fail Creation FailureReasonPlanChanged']);
});

t.test('labels named as what objects inherit are part of the spec', async (t) => {
  const labelled = (json: string) => {
    const labels = JSON.parse(json) as Record<string, string>;
    const [added = make.toAdd('green')] = ADD.nodeClaimsToAdd;
    return specHashOf({
      execute: true,
      nodeClaimsToAdd: [{ ...added, metadata: { name: 'green', labels } }],
    });
  };
  t.not(labelled('{"__proto__":"a"}'), labelled('{"__proto__":"b"}'));
  t.not(labelled('{"__proto__":"a"}'), labelled('{}'));
});

t.test('a changed plan that nobody executes waits, and says nothing', async (t) => {
  t.same(stepsOf(pending({ ...CHANGED, execute: false })), ['wait-to-start NotExecuted']);
});

t.test('a plan that is changed while it runs fails in its phase', async (t) => {
  const running = make.plan(CHANGED, { specHash });
  t.same(stepsOf(running), ['fail Creation FailureReasonPlanChanged']);
  const late = make.plan(CHANGED, { specHash }, 'PinsReady');
  t.match(stepsOf(late), [/^fail \w+ FailureReasonPlanChanged$/]);
});

t.test('a plan whose nodes are gone ends as usual: nothing could be put back', async (t) => {
  const done = make.plan(CHANGED, { specHash }, 'NodesDeleted');
  t.notMatch(stepsOf(done).join(), /PlanChanged/);
});

t.test('a plan made by hand is frozen by the first pass that sees it', async (t) => {
  const shown = { ...make.plan({ ...SHOWN, execute: false }), status: {} };
  const state = make.executionState(shown, BLUE);
  const [step] = decide(state).steps;
  if (!step) throw new Error('no step');
  const change = await apply({} as Writer, state, step);
  t.equal(typeof change === 'function' && change({}).specHash, specHash);
  t.equal(typeof change === 'function' && change({ specHash: 'of before' }).specHash, 'of before');
});

t.test('the hash is read again when the generation of the plan changes', async (t) => {
  const hashes = new SpecHashes();
  const at = (generation: number, spec: object): RebalancePlan => {
    const plan = make.plan(spec);
    return { ...plan, metadata: { ...plan.metadata, generation } };
  };
  t.equal(hashes.of(at(1, SHOWN)), specHash);
  t.equal(hashes.of(at(2, CHANGED)), specHashOf(at(2, CHANGED).spec));
  t.equal(hashes.of(at(3, SHOWN)), specHash);
  const again = at(3, CHANGED);
  t.equal(
    hashes.of({ ...again, metadata: { ...again.metadata, uid: 'another' } }),
    specHashOf(again.spec),
    'a plan made again under its name is another one',
  );
});

t.test('an added node is opened, though a change took it out of the spec', async (t) => {
  const status = {
    specHash,
    failurePhase: 'Deletion' as const,
    nodesCreation: {
      green: {
        name: 'green',
        attempts: [{ instanceType: 'm5.large', nodeClaimName: 'green', status: 'Success' as const }],
      },
    },
  };
  const failed = make.plan(DELETE, status, 'PinsReady');
  const annotations = make.reservedBy(make.MARK);
  const state = make.executionState(failed, {
    nodeClaims: new Map([['green', make.nodeClaim('green', { annotations })]]),
    nodes: new Map([['green', make.node('green', { annotations })]]),
  });
  t.same(decide(state).steps.map(describeStep), ['release node-green']);
});
