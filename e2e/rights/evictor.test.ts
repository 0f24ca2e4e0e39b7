import t from 'tap';
import { CORDONED_BY, EVICTED_TAINT, EVICTION_STATUS, KENTROLLER, POD_PINNER } from '../../api/labels.ts';
import type { Taint } from '../../api/objects.ts';
import { NODES } from '../../api/resources.ts';
import { isConflict } from '../../kube/errors.ts';
import { eventually, Scene } from '../pinner/fixture.ts';
import { isRefused, makeNode, type Outcome, outcomeOf } from './attempt.ts';
import { InstalledRights } from './installed.ts';

/** The evictor's marks on nodes: kentroller alone sets them, and the taint drives no pod out. */

const scene = new Scene('rights-evictor');
const rights = new InstalledRights(scene);
const { client } = scene;
const node = scene.nodeName('drained');

t.before(async () => {
  await scene.open();
  await rights.install();
  await makeNode(client, node, { spec: { unschedulable: true } });
  const as = await rights.as(KENTROLLER);
  const label = { metadata: { labels: { team: 'b' } } };
  await eventually('the policies are in force', () =>
    isRefused(as.patch(NODES, { name: node }, label, { dryRun: true })),
  );
});
t.teardown(async () => {
  await rights.remove();
  await scene.close();
});

const SOFT: Taint = { key: EVICTED_TAINT, effect: 'PreferNoSchedule' };
const ACTS: readonly (readonly [string, account: string, Taint | object, Outcome])[] = [
  ['the soft taint is put on', KENTROLLER, SOFT, 'allowed'],
  ['pods are driven out by it', KENTROLLER, { ...SOFT, effect: 'NoExecute' }, 'refused'],
  ['pods are kept away by it', KENTROLLER, { ...SOFT, effect: 'NoSchedule' }, 'refused'],
  ['the soft taint is put on', POD_PINNER, SOFT, 'refused'],
  ['a node is called empty', KENTROLLER, { metadata: { labels: { [EVICTION_STATUS]: 'done' } } }, 'allowed'],
  ['a node is called empty', POD_PINNER, { metadata: { labels: { [EVICTION_STATUS]: 'done' } } }, 'refused'],
  ['a node is cordoned anew', POD_PINNER, { metadata: { annotations: { [CORDONED_BY]: 'x/y' } } }, 'refused'],
];

t.test('the marks of the evictor', async (t) => {
  for (const [what, account, change, expected] of ACTS) {
    const as = await rights.as(account);
    const attempt = async (): Promise<Outcome | undefined> => {
      const { metadata, spec } = await client.get(NODES, { name: node });
      const body =
        'key' in change
          ? {
              metadata: { resourceVersion: metadata.resourceVersion },
              spec: { taints: [...(spec?.taints ?? []), change] },
            }
          : change;
      // Kubernetes taints nodes without a kubelet as time goes by.
      return outcomeOf(as.patch(NODES, { name: node }, body, { dryRun: true })).catch((error: unknown) => {
        if (isConflict(error)) return undefined;
        throw error;
      });
    };
    t.equal(await eventually(what, attempt), expected, `${what}, by ${account}`);
  }
});
