import t from 'tap';
import { CONFIG_MAPS, EVENTS } from '../../api/resources.ts';
import { scratch } from '../testing/scratch.ts';
import { createRecorder } from './events.ts';

const { client, namespace, log } = scratch(t, 'events');

t.test('equal events are written once, with a count', async (t) => {
  const about = await client.create(CONFIG_MAPS, { metadata: { name: 'a', namespace } });
  const recorder = createRecorder({ client, component: 'thing', log });
  for (let i = 0; i < 3; i++) recorder.event(CONFIG_MAPS, about, 'Warning', 'Tried', 'did not work');
  recorder.event(CONFIG_MAPS, about, 'Normal', 'Worked', 'at last');
  await recorder.flush();
  const { items } = await client.list(EVENTS, { namespace });
  t.equal(items.length, 2);
  const tried = items.find((e) => e.reason === 'Tried');
  t.match(tried, {
    type: 'Warning',
    count: 3,
    message: 'did not work',
    involvedObject: { uid: about.metadata.uid },
  });
});

t.test('an event that was deleted meanwhile is created again', async (t) => {
  const recorder = createRecorder({ client, component: 'thing', log });
  const about = { metadata: { name: 'b', namespace } };
  recorder.event(CONFIG_MAPS, about, 'Normal', 'Once', 'm');
  await recorder.flush();
  const all = { query: { fieldSelector: 'reason=Once' } };
  await client.request('DELETE', `/api/v1/namespaces/${namespace}/events`, all);
  recorder.event(CONFIG_MAPS, about, 'Normal', 'Once', 'm');
  await recorder.flush();
  t.equal((await client.list(EVENTS, { namespace, fieldSelector: 'reason=Once' })).items.length, 1);
});

t.test('a server that refuses events neither blocks nor throws', async (t) => {
  const recorder = createRecorder({ client, component: 'thing', log });
  const nowhere = { metadata: { name: 'c', namespace: 'does-not-exist' } };
  for (let i = 0; i < 2000; i++) recorder.event(CONFIG_MAPS, nowhere, 'Normal', 'R', 'm');
  t.pass('it neither throws nor waits');
});

t.test('an event shows a hostile name as text, and remembers no long message', async (t) => {
  const recorder = createRecorder({ client, component: 'thing', log });
  const about = { metadata: { name: 'd', namespace } };
  recorder.event(CONFIG_MAPS, about, 'Warning', 'Hostile', `\u001b[31m\u202e${'x'.repeat(100_000)}`);
  await recorder.flush();
  const { items } = await client.list(EVENTS, { namespace, fieldSelector: 'reason=Hostile' });
  t.match(items[0]?.message, /^\\u001b\[31m\\u202exxx/);
  t.equal(items[0]?.message?.length, 1024);
});

t.test('an event about an object with the longest name has a valid name, and each its own', async (t) => {
  const recorder = createRecorder({ client, component: 'thing', log });
  const longest = `${'a.'.repeat(126)}b`;
  for (const name of [longest, `${'a'.repeat(252)}b`, `${'a'.repeat(252)}c`, 'a'])
    for (const message of ['one', 'two'])
      recorder.event(CONFIG_MAPS, { metadata: { name, namespace } }, 'Normal', 'Named', message);
  await recorder.flush();
  const { items } = await client.list(EVENTS, { namespace, fieldSelector: 'reason=Named' });
  t.equal(new Set(items.map(({ metadata }) => metadata.name)).size, 8);
  t.equal(items.filter(({ involvedObject }) => involvedObject?.name === longest).length, 2);
});
