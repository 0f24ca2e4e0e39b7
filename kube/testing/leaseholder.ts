import { openSync, writeSync } from 'node:fs';
import { CONFIG_MAPS } from '../../api/resources.ts';
import { connect } from '../client/client.ts';
import { createLogger } from '../component/log.ts';
import { runElected } from '../election/election.ts';
import { FencedError } from '../errors.ts';

/**
 * A leader that writes as fast as it can, for tests that stop it: leaseholder.ts KUBECONFIG NAMESPACE IDENTITY FILE.
 * The file holds the number of writes between the fence and the socket.
 */
const [kubeconfig = '', namespace = '', identity = '', file = ''] = process.argv.slice(2);
const passing = openSync(file, 'w');
let count = 0;
const mark = (change: number): void => {
  count += change;
  writeSync(passing, String(count), 0);
};
const client = connect({ kubeconfig, userAgent: identity });
const say = (text: string): void => void process.stdout.write(`${text}\n`);

await runElected({
  client,
  namespace,
  name: 'fenced',
  identity,
  leaseDurationMs: 1500,
  renewDeadlineMs: 1000,
  retryPeriodMs: 200,
  signal: new AbortController().signal,
  log: createLogger({ component: 'fixture', level: 'silent' }),
  onLeader: async (signal, fenced) => {
    say('leading');
    // Called right after the fence. TLS may still finish an earlier write, so a turn of the event loop is not enough
    // for the bytes to reach the kernel.
    const marked = fenced.guarded(() => {
      mark(1);
      setImmediate(() => setTimeout(() => setImmediate(() => mark(-1)), 2));
    });
    const write = async (lane: number): Promise<void> => {
      for (let n = 0; !signal.aborted; n++)
        try {
          await marked.patch(
            CONFIG_MAPS,
            { name: 'written', namespace },
            { data: { [`${identity}-${lane}`]: String(n) } },
          );
        } catch (e) {
          say(e instanceof FencedError ? 'fenced' : `failed ${String(e)}`);
        }
    };
    await Promise.all([1, 2, 3, 4].map(write));
    say('lost');
  },
});
