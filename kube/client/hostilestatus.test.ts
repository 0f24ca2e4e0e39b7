import t from 'tap';
import { writeBody } from './requests.ts';

const REASON = 'no \u001b[31mroom\u202e left\nat all';

t.test('what kubectl prints of a status is text, whoever wrote its reasons', async (t) => {
  const body = { metadata: { name: 'a' }, status: { conditions: [{ message: REASON }], count: 1 } };
  t.strictSame(writeBody(body, 'status'), {
    metadata: { name: 'a' },
    status: { conditions: [{ message: 'no \\u001b[31mroom\\u202e left\nat all' }], count: 1 },
  });
  t.equal(writeBody(body, undefined), body, 'other writes are as they were');
  const plain = { status: { message: 'no room' } };
  t.equal(writeBody(plain, 'status'), plain);
});
