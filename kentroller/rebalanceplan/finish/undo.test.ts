import t from 'tap';
import { CORDONED_BY, IN_USE_BY, SURGED } from '../../../api/labels.ts';
import * as make from '../../testing/builders.ts';
import { ADD, attempts, BLUE, CORDONED, DELETE, RESERVED } from '../../testing/decisions.ts';
import { NAME, request } from '../../testing/migrations.ts';
import { decide } from '../decide.ts';
import type { ExecutionState } from '../state/state.ts';
import type { FailurePhase, Step } from '../state/step.ts';

/** Each step of the executor beside its undo. A new kind of step has to be listed here, or this file does not compile. */

interface Undone {
  readonly undo: Step['kind'];
  /** The phases in which a failure takes the step back. */
  readonly phases: readonly FailurePhase[];
  /** What the step has left. */
  readonly left: Partial<ExecutionState>;
}

const BOTH: readonly FailurePhase[] = ['Creation', 'Deletion'];
const claimOf = (name: string, annotations: Record<string, string>): Partial<ExecutionState> => ({
  nodeClaims: new Map([[name, make.nodeClaim(name, { annotations })]]),
});
const blueNode = (node: ReturnType<typeof make.node>): Partial<ExecutionState> => ({
  nodeClaims: BLUE.nodeClaims,
  nodes: new Map([['blue', node]]),
});
const DETACHED = make.pod('only', {
  labels: {},
  ownerReferences: [],
  annotations: {
    [SURGED]: JSON.stringify({ plan: 'plan', hash: 'abc', replicaSet: { name: 'rs', uid: 'rs-uid' } }),
  },
});

const detachedPods = [
  {
    namespace: 'shop',
    name: 'only',
    uid: 'only-uid',
    hash: 'abc',
    replicaSet: { name: 'rs', uid: 'rs-uid' },
  },
];

/** The undo of a step, or why it has none. */
const STEPS: Readonly<Record<Step['kind'], Undone | string>> = {
  start: { undo: 'free', phases: BOTH, left: claimOf('blue', { [IN_USE_BY]: make.MARK }) },
  lock: { undo: 'unlock', phases: BOTH, left: BLUE },
  close: {
    undo: 'uncordon',
    phases: BOTH,
    left: blueNode(
      make.node('blue', { annotations: { [CORDONED_BY]: make.MARK }, spec: { unschedulable: true } }),
    ),
  },
  cordon: { undo: 'uncordon', phases: BOTH, left: blueNode(CORDONED) },
  'mark-evicted': { undo: 'uncordon', phases: BOTH, left: blueNode(CORDONED) },
  'create-claim': {
    undo: 'delete-claim',
    phases: ['Creation'],
    left: claimOf('green', make.reservedBy(make.MARK)),
  },
  'attempt-succeeded': {
    undo: 'release',
    phases: ['Deletion'],
    left: {
      ...claimOf('green', make.reservedBy(make.MARK)),
      nodes: new Map([['green', RESERVED]]),
    },
  },
  reserve: {
    undo: 'release',
    phases: ['Deletion'],
    left: {
      ...claimOf('green', make.reservedBy(make.MARK)),
      nodes: new Map([
        [
          'green',
          make.node('green', {
            annotations: { ...make.reservedBy(make.MARK), [CORDONED_BY]: make.MARK },
            spec: { unschedulable: true },
          }),
        ],
      ]),
    },
  },
  surge: {
    undo: 'reattach',
    phases: ['Deletion'],
    left: {
      surge: { soleReplicas: new Map(), detached: [DETACHED], succeeded: new Set(), orphaned: new Set() },
    },
  },
  'create-migration': {
    undo: 'withdraw-migration',
    phases: ['Deletion'],
    left: {
      migration: {
        mode: 'auto',
        answerTimeoutMs: 30_000,
        timeoutMs: 600_000,
        plans: new Map([[NAME, request(['a'])]]),
      },
    },
  },
  prepare: 'remove-finalizer ends it, once nothing of the plan is left; the baseline goes with the plan',
  tolerate: 'the API server lets nobody take tolerations off a pod, and they end with their pods',
  evict: 'the pod is gone, and its controller has made another one',
  'delete-pod': 'the pod is gone, and its controller has made another one',
  'remove-pod': 'the pod is gone, and its controller has made another one',
  'delete-claim': 'the machine is gone: a node is deleted only once it is empty',
  'attempt-failed': 'the offering was refused, whatever becomes of the plan; the record expires',
  'record-deletion': 'a record in the status of the plan',
  'keep-node': 'a record in the status of the plan',
  'wait-to-start': 'a record in the status of the plan',
  'wait-in-phase': 'a record in the status of the plan',
  'record-surge': 'a record in the status of the plan',
  advance: 'a record in the status of the plan',
  warn: 'a record in the status of the plan',
  fail: 'a record in the status of the plan',
  finish: 'a record in the status of the plan',
  free: 'an undo itself',
  unlock: 'an undo itself',
  uncordon: 'an undo itself; the label drain-failed stays as the trace of what happened',
  release: 'an undo itself',
  reattach: 'an undo itself',
  'withdraw-migration': 'an undo itself',
  'remove-finalizer': 'an undo itself',
};

for (const [kind, step] of Object.entries(STEPS)) {
  if (typeof step === 'string') continue;
  for (const phase of step.phases) {
    t.test(`step ${kind} is taken back by ${step.undo} after a failure in ${phase}`, async (t) => {
      const failed = {
        failurePhase: phase,
        failureReason: 'x',
        ...attempts({ status: 'Success' }),
        detachedPods,
      };
      const plan = make.plan({ ...DELETE, ...ADD }, failed);
      const { steps } = decide(make.executionState(plan, step.left));
      t.ok(
        steps.some((each) => each.kind === step.undo),
        steps.map((each) => each.kind).join(),
      );
      t.notOk(
        steps.some((each) => each.kind === 'finish'),
        'the plan has not ended before',
      );
    });
  }
}

t.test('each undo is used by a step', async (t) => {
  const used = new Set(Object.values(STEPS).flatMap((step) => (typeof step === 'string' ? [] : [step.undo])));
  for (const undo of ['free', 'unlock', 'uncordon', 'release', 'reattach', 'withdraw-migration'] as const)
    t.ok(used.has(undo), undo);
});
