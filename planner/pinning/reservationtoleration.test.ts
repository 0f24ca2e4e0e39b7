import t from 'tap';
import { OPEN_TO_DAEMONSETS } from '../../api/labels.ts';
import type { Node, Toleration } from '../../api/objects.ts';
import { reservationOf, reservationOn } from '../../api/reservation.ts';
import { untoleratedTaint } from '../scheduling/tainttoleration.ts';
import { missingToleration } from './reservationtoleration.ts';

const podWith = (tolerations: readonly Toleration[]) => ({ spec: { containers: [], tolerations } });
const nodeOf = (spec: Node['spec'], annotations = {}): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node', annotations },
  ...(spec && { spec }),
});

t.test('a pod of one machine of a plan tolerates the reservation of no other', async (t) => {
  const [mine, other] = [reservationOf('rebalance-1a'), reservationOf('rebalance-1b')];
  const tolerations = missingToleration(mine, podWith([]));
  t.equal(untoleratedTaint([mine], tolerations), undefined);
  t.same(untoleratedTaint([other], tolerations), other);
  t.same(missingToleration(mine, podWith(tolerations)), [], 'it lacks nothing then');
  t.equal(missingToleration(other, podWith(tolerations)).length, 1, 'another try may add a second one');
});

t.test(
  'the names of 1, 63 and 253 characters of a NodeClaim give values that are valid and told apart',
  async (t) => {
    const names = ['a', 'a'.repeat(63), `${'a'.repeat(252)}b`, `${'a'.repeat(252)}c`];
    const values = names.map((name) => reservationOf(name).value ?? '');
    t.equal(new Set(values).size, names.length);
    for (const value of values) t.match(value, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
  },
);

t.test('a node is reserved for the same pods while a cordon stands in place of the taint', async (t) => {
  const taint = reservationOf('rebalance-1a');
  t.same(reservationOn(nodeOf({ taints: [taint] })), taint);
  t.same(reservationOn(nodeOf({ unschedulable: true }, { [OPEN_TO_DAEMONSETS]: taint.value })), taint);
  t.equal(reservationOn(nodeOf({}, { [OPEN_TO_DAEMONSETS]: taint.value })), undefined, 'opened by a user');
});

t.test('a taint of an older release, and one without a value, can be tolerated as well', async (t) => {
  const { key, effect } = reservationOf('x');
  for (const taint of [
    { key, effect, value: 'true' },
    { key, effect },
  ]) {
    t.equal(untoleratedTaint([taint], missingToleration(taint, podWith([]))), undefined);
  }
  const older = podWith([{ key, effect, operator: 'Exists' }]);
  t.same(
    missingToleration(reservationOf('x'), older),
    [],
    'as does a pod that has tolerated all of them since',
  );
});

t.test('a pod that waits through hundreds of plans gathers no hundreds of tolerations', async (t) => {
  let tolerations: readonly Toleration[] = [];
  for (let n = 0; n < 300; n++) {
    const taint = reservationOf(`rebalance-${n}`);
    tolerations = [...tolerations, ...missingToleration(taint, podWith(tolerations))];
    t.equal(untoleratedTaint([taint], tolerations), undefined);
  }
  t.equal(tolerations.length, 9);
});
