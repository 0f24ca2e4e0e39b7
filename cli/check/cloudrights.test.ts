import t from 'tap';
import { checkCloud } from './cloudrights.ts';

t.test('nodes that may not be listed are not nodes without a region', async (t) => {
  const { signal } = new AbortController();
  t.match(await checkCloud({ unseen: 'nodes is forbidden' }, signal), {
    state: 'unknown',
    message: /nodes is forbidden.*--region/,
  });
  t.match(await checkCloud({ value: undefined }, signal), { state: 'skipped', message: /no node shows/ });
});
