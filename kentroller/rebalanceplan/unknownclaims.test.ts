import t from 'tap';
import { NODE_CLAIMS } from '../../api/resources.ts';
import { KubeError } from '../../kube/errors.ts';
import { MemoryApi } from '../../kube/testing/memory/api.ts';
import { memoryClient } from '../../kube/testing/memory/client.ts';
import * as make from '../testing/builders.ts';
import { ADD, attempts, canceled, checkCases, DELETE } from '../testing/decisions.ts';
import { decide } from './decide.ts';
import { readMissingClaims } from './state/gather.ts';

/** Plans while Karpenter's CRDs are gone: none goes on, and each can end. */

t.test('a NodeClaim of a kind that is not served is not known to be gone', async (t) => {
  const { signal } = new AbortController();
  const reading = (kind: 'unserved' | 'not-found' | 'retryable') =>
    memoryClient(new MemoryApi({ now: () => make.NOW }), async (call, serve) => {
      if (call.resource.kind !== NODE_CLAIMS.kind) return serve();
      throw new KubeError('404 page not found', { kind, status: 404 });
    });
  t.match(await readMissingClaims(reading('unserved'), ['green'], signal), {
    nodeClaims: new Map(),
    unknownClaims: new Set(['green']),
  });
  t.match(await readMissingClaims(reading('not-found'), ['green'], signal), { unknownClaims: new Set() });
  await t.rejects(readMissingClaims(reading('retryable'), ['green'], signal), /page not found/);
});

const unknown = { unknownClaims: new Set(['green']) };
const created = attempts({ status: 'Success' });
const LATE = { now: make.NOW + 2 * 3_600_000 };

checkCases([
  [
    'a plan waits in creation',
    make.plan({ ...ADD, ...DELETE }, attempts({ status: 'InProgress' })),
    unknown,
    ['wait-in-phase NodeClaimUnknown'],
  ],
  [
    'it moves nothing',
    make.plan({ ...ADD, ...DELETE }, created, 'PinsReady'),
    unknown,
    ['wait-in-phase NodeClaimUnknown'],
  ],
  [
    'its time limit counts',
    make.plan(
      { ...ADD, ...DELETE },
      { ...created, startTime: new Date(make.NOW).toISOString() },
      'PinsReady',
    ),
    { ...unknown, ...LATE },
    ['fail Creation FailureReasonTimeout'],
  ],
  [
    'it is canceled',
    canceled(make.plan({ ...ADD, ...DELETE }, created, 'PinsReady')),
    unknown,
    ['fail Creation Canceled'],
  ],
  [
    'it ends, and tells what it could not take back',
    make.plan(
      { ...ADD, ...DELETE },
      { ...created, failurePhase: 'Creation', failureReason: 'Canceled', failureMessage: 'x' },
    ),
    unknown,
    ['warn', 'finish Canceled'],
  ],
]);

t.test('a plan that is deleted lets go of its finalizer', async (t) => {
  const plan = make.plan({ ...ADD, ...DELETE }, { ...created, state: 'Canceled' });
  const deleted = { ...plan, metadata: { ...plan.metadata, deletionTimestamp: make.ago(1) } };
  const { steps } = decide(make.executionState(deleted, unknown));
  t.match(steps, [{ kind: 'remove-finalizer' }]);
});
