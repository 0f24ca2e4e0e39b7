import t from 'tap';
import { checkRemote, plainRemote } from './remote.ts';

t.test('attack: a user or password in GRPC_URL reaches no log: it is refused, and not read back', (t) => {
  for (const url of ['https://user:pa55@planner:443', 'user:pa55@planner:443', 'https://token@planner']) {
    try {
      checkRemote(plainRemote(url));
      t.fail(url);
    } catch (error) {
      t.match(error, { name: 'OptionsError', message: /GRPC_URL/ });
      t.notMatch(String(error), /pa55|token@/);
    }
  }
  for (const url of ['planner:443', 'https://planner:443', 'https://planner/a@b'])
    checkRemote(plainRemote(url));
  t.end();
});
