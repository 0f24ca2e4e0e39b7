import t from 'tap';
import type { CapacityBuffer } from '../../api/objects.ts';
import { QuantityError } from '../../api/quantity.ts';
import { countOf } from './count.ts';

/** How many chunks a buffer has: min(max(replicas, percentage), limits). A chunk requests half a core and 1 GiB. */

const CHUNK = new Map([
  ['cpu', 500],
  ['memory', 1_024 ** 3],
  ['pods', 1],
]);
type Spec = NonNullable<CapacityBuffer['spec']>;

/** Sentence, spec, replicas of what is scaled, chunks or why none are known. */
const CASES: readonly (readonly [string, Spec, number | undefined, number | RegExp])[] = [
  ['replicas alone', { replicas: 3 }, undefined, 3],
  ['replicas of a workload', { replicas: 3 }, 10, 3],
  ['no replicas', { replicas: 0 }, undefined, 0],
  ['a percentage is rounded up', { percentage: 25 }, 10, 3],
  ['and is at least one', { percentage: 1 }, 1, 1],
  ['a percentage of nothing is nothing', { percentage: 50 }, 0, 0],
  ['0 percent is nothing', { percentage: 0 }, 10, 0],
  ['more than all of it', { percentage: 150 }, 4, 6],
  ['the larger one, replicas', { replicas: 5, percentage: 20 }, 10, 5],
  ['the larger one, percentage', { replicas: 1, percentage: 40 }, 10, 4],
  ['a percentage without a workload does not count', { replicas: 2, percentage: 900 }, undefined, 2],
  ['limits alone: as many as fit', { limits: { cpu: '2' } }, undefined, 4],
  ['the tightest of the limits', { limits: { cpu: '2', memory: '3Gi' } }, undefined, 3],
  ['limits below replicas', { replicas: 9, limits: { cpu: '1700m' } }, undefined, 3],
  ['limits above replicas', { replicas: 2, limits: { cpu: '100' } }, undefined, 2],
  ['limits below a percentage', { percentage: 100, limits: { memory: '4Gi' } }, 10, 4],
  ['limits too small for one', { replicas: 2, limits: { cpu: '100m' } }, undefined, 0],
  ['limits of what no chunk requests', { replicas: 2, limits: { 'nvidia.com/gpu': '0' } }, undefined, 2],
  ['only such', { limits: { 'nvidia.com/gpu': '4' } }, undefined, /none of its limits/],
  ['nothing at all', {}, undefined, /none of replicas, percentage/],
  ['a percentage of a template alone', { percentage: 10 }, undefined, /percentage \(of a scalableRef\)/],
];

for (const [says, spec, scalable, expected] of CASES) {
  t.test(`count: ${says}`, async (t) => {
    const count = countOf(spec, CHUNK, scalable);
    if (typeof expected === 'number') t.same(count, { kind: 'known', replicas: expected });
    else t.match(count, { kind: 'unknown', problem: expected });
  });
}

t.test('a limit that is no quantity is an error', async (t) => {
  t.throws(() => countOf({ limits: { cpu: 'many' } }, CHUNK, undefined), QuantityError);
});
