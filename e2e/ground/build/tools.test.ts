import t from 'tap';
import { SILENT } from '../host/progress.ts';
import { requireTools, toolsFor } from './tools.ts';

t.test('a ground without a real node needs neither iptables nor a C compiler', async (t) => {
  const names = (realNode: boolean) => toolsFor(realNode).map((tool) => tool.what);
  t.notOk(names(false).includes('iptables') || names(false).includes('gcc'));
  t.ok(names(true).includes('iptables') && names(true).includes('gcc'));
});

t.test('what is there is not installed', async (t) => {
  await requireTools([{ what: 'a thing', debianPackage: 'no-such-package', isThere: () => true }], SILENT);
  t.pass();
});

t.test('what can not be installed is named, with its package, in one line', async (t) => {
  const missing = { what: 'a thing', debianPackage: 'thing-dev', isThere: () => false };
  await t.rejects(requireTools([missing], SILENT, false), {
    message: "missing: a thing; install (Debian's names): thing-dev",
  });
});
