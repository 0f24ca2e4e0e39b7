import t from 'tap';
import { createLogger } from './log.ts';

const NAME = 'pod-\u001b[31m\u009b2J\u202egpj\u2028\nlevel=error';

t.test('a name in a log line is no escape sequence, bidi override or line of its own', async (t) => {
  const lines: string[] = [];
  const log = createLogger({ component: 'thing', to: { write: (line) => void lines.push(line) } });
  log.info({ pod: NAME, err: new Error(NAME) }, NAME);
  const text = lines.join('');
  t.strictSame(text.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu), ['\n'], 'one line');
  t.match(JSON.parse(text), { pod: NAME, msg: NAME, err: { message: NAME } }, 'and it means the same');
});
