import t from 'tap';
import type { InstalledObject } from './facts.ts';
import { checkInstaller, isOurComponent } from './installation.ts';
import { checkOutside } from './outside.ts';
import { foundOutside } from './testing/foundoutside.ts';

/** What is said where nothing of ours runs yet. */

t.test('before an installation, only whether it could be installed is asked', async (t) => {
  const nothing = { value: foundOutside(() => false) };
  const before = (stock: readonly string[], options: readonly string[] = [], outside = nothing) =>
    checkInstaller({ missing: { value: { stock, options } }, outside });
  t.same(
    before([]).map(({ name, state }) => [name, state]),
    [
      ['installation', 'skipped'],
      ['may-install', 'fine'],
    ],
  );
  t.match(before(['create clusterroles.rbac.authorization.k8s.io'])[1], {
    state: 'lacks',
    message: /may not create clusterroles/,
  });
  t.match(before([], ['create servicemonitors.monitoring.coreos.com'])[2], {
    name: 'may-install-options',
    state: 'note',
    message: /may not create servicemonitors.*monitoring/,
  });
  const kept = { value: foundOutside(({ ref }) => ref.name === 'castai-kept-nominations') };
  t.match(before([], [], kept)[1], {
    name: 'left-over',
    state: 'note',
    message: /MutatingAdmissionPolicy castai-kept-nominations.*precision-packer uninstall/,
  });
  t.same(
    checkInstaller({ missing: { unseen: 'forbidden' }, outside: nothing }).map(({ state }) => state),
    ['skipped', 'unknown'],
  );
});

t.test('what only has a name of ours is told as somebody else’s, and a namespace not at all', (t) => {
  const nothing = { value: { stock: [], options: [] } };
  const told = (...found: Parameters<typeof foundOutside>) =>
    checkInstaller({ missing: nothing, outside: { value: foundOutside(...found) } }).filter(
      ({ name }) => name === 'left-over',
    );
  const isNamespace = ({ resource }: InstalledObject): boolean => resource.kind === 'Namespace';
  t.same(told(isNamespace, {}), [], 'a namespace of others, such as that of another agent');
  t.same(told(isNamespace), [], 'nor one that we have shared');
  const [foreign, ...more] = told(({ ref }) => ref.name === 'castai-kentroller', {});
  t.match(foreign, {
    state: 'note',
    message: /^ClusterRole castai-kentroller, .* are not marked as ours .*part-of=precision-packer/,
  });
  t.notMatch(foreign?.message, 'has the commands');
  t.same(more, []);
  t.end();
});

t.test('half of a policy is not told as missing where it could not be read', (t) => {
  const halves = ['MutatingAdmissionPolicy', 'MutatingAdmissionPolicyBinding'];
  for (const unseen of halves) {
    const whole = foundOutside(() => true);
    const isSeen = ({ resource }: InstalledObject): boolean => resource.kind !== unseen;
    const unread = [{ kind: unseen, message: `${unseen} is forbidden` }];
    const told = checkOutside({ value: { ...whole, there: whole.there.filter(isSeen), unread } }, []);
    t.match(told, [{ state: 'unknown', message: /is forbidden\.$/ }], unseen);
    t.equal(told.length, 1, `${unseen}: that is all`);
  }
  t.end();
});

t.test('our Deployments are known by name', async (t) => {
  t.ok(isOurComponent('castai-kentroller'));
  t.notOk(isOurComponent('constructor'));
});
