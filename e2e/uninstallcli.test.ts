import t from 'tap';
import { REBALANCE_PLANS } from '../api/resources.ts';
import { pacedSeconds } from '../kube/testing/pace.ts';
import { chosen, uninstallSeed } from './run/chosen.ts';
import { killAll } from './support/killall.ts';
import { marksByObject } from './support/remains.ts';
import { cli, kubectl, marksGone, takeAway } from './support/uninstall.ts';

/** What is undone without kentroller, or before anything is deleted. See docs/designs/0017-uninstall.md. */

type Marks = Awaited<ReturnType<typeof marksByObject>>;

const NAMESPACE = '--namespace=castai-agent';
const ALL = ['delete', '--ignore-not-found', '--kustomize=manifests/base'];

/** Marks in our words that objects had before and have no more, where Karpenter did not end the object meanwhile. */
const lostMarks = (before: Marks, after: Marks): readonly string[] =>
  [...before].flatMap(([object, { title, marks }]) => {
    const now = after.get(object)?.marks;
    return marks
      .filter((mark) => mark.includes('cast.ai/') && now?.includes(mark) === false)
      .map((mark) => `${title}: ${mark}`);
  });

const SEED = uninstallSeed(process.env, Date.now());

const scaled = () =>
  t.test('scaled to 0 in Creation, and deleted later', (t) =>
    takeAway(t, { name: 'scaled', phase: 'Creation' }, async (stage) => {
      await kubectl(stage, 'scale', 'deployment', '--all', NAMESPACE, '--replicas=0');
      await marksGone(stage);
      const { items } = await stage.client.list(REBALANCE_PLANS);
      t.strictSame(
        items.map(({ status }) => status?.state),
        ['Canceled'],
        'the plan says what became of it',
      );
      await kubectl(stage, ...ALL);
    }),
  );

const controllersFirst = () =>
  t.test('controllers first, then the command line tool, then the rest, with a plan in Deletion', (t) =>
    takeAway(t, { name: 'controllers-first', phase: 'Deletion' }, async (stage) => {
      await t.rejects(cli(stage, 'uninstall', '--yes'), /still run in namespace castai-agent/);
      await kubectl(stage, 'delete', 'deployment', '--all', NAMESPACE);
      await kubectl(
        stage,
        'wait',
        'pod',
        '--all',
        NAMESPACE,
        '--for=delete',
        `--timeout=${pacedSeconds(180)}`,
      );
      t.match(await cli(stage, 'uninstall', '--yes'), /Nothing of precision-packer is left to undo/);
      await kubectl(stage, ...ALL);
    }),
  );

for (const scene of chosen([controllersFirst, scaled], 1, SEED, process.env)) scene();

t.test('kentroller killed hard in Deletion: the command line tool undoes what nobody else can', (t) =>
  takeAway(t, { name: 'killed', phase: 'Deletion' }, async (stage) => {
    const { client } = stage;
    await killAll(stage);
    await kubectl(stage, ...ALL, '--wait=false');
    const before = await marksByObject(client);
    t.ok(
      [...before.values()].some(({ marks }) => marks.length > 0),
      'marks are left',
    );
    t.match(await cli(stage, 'uninstall'), /Nothing was changed: run it again with --yes/);
    t.strictSame(lostMarks(before, await marksByObject(client)), [], 'without --yes it takes no mark away');
    t.match(await cli(stage, 'uninstall', '--yes'), /All of it is undone/);
    t.match(await cli(stage, 'uninstall', '--yes'), /Nothing of precision-packer is left/, 'twice is once');
  }),
);
