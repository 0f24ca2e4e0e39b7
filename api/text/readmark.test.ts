import t from 'tap';
import { surgeRecordOf } from '../identity/surgerecord.ts';
import { SURGED } from '../labels.ts';
import { readMark } from './readmark.ts';

t.test('a mark that a stranger made large or deep is none', async (t) => {
  for (const text of ['['.repeat(100_000), `[${'1,'.repeat(5000)}1]`, `"${'x'.repeat(5000)}"`, '{', ''])
    t.equal(readMark(text), undefined, text.slice(0, 10));
  t.same(readMark('{"draining":"manual"}'), { draining: 'manual' });
});

t.test('a pod with 200 KiB of surge record is not detached', async (t) => {
  const record = { plan: 'p', hash: 'h', replicaSet: { name: 'r', uid: 'u' } };
  const pod = (text: string) => ({
    metadata: { name: 'p', annotations: { [SURGED]: text } },
    spec: { containers: [] },
  });
  t.match(surgeRecordOf(pod(JSON.stringify(record))), record);
  const large = JSON.stringify({ ...record, more: 'x'.repeat(200 * 1024) });
  t.equal(surgeRecordOf(pod(large)), undefined);
});
